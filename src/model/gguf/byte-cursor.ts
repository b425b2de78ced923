import { RouterError } from "../../errors.ts";

/** Bytes that the parser needs next. A longer answer is welcome, a shorter one means that the file ends there. */
export interface ByteRequest {
  readonly offset: number;
  readonly bytes: number;
}

/** A parser that asks for bytes and is given them; it decides where to read, the caller how. */
export type Parsing<T> = Generator<ByteRequest, T, Uint8Array>;

const utf8 = new TextDecoder();

/**
 * Reads little-endian values from a window of a file that moves forward on request. Values are read without a generator step while
 * the window holds them: a header has hundreds of thousands of strings.
 */
export class ByteCursor {
  position = 0;
  #start = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  /** Whether the next `bytes` bytes are in the window. */
  has(bytes: number): boolean {
    return this.position >= this.#start && this.position + bytes <= this.#start + this.#bytes.length;
  }

  /** Moves the window so that it holds the next `bytes` bytes. */
  *fill(bytes: number): Parsing<void> {
    const offset = this.position;
    // A damaged length can point beyond any file.
    const answer = Number.isSafeInteger(offset + bytes) ? yield { offset, bytes } : this.#bytes.subarray(0, 0);
    if (answer.length < bytes) {
      throw new RouterError("NOT_A_GGUF", `${this.#name} is cut off: it ends inside its header`, { hint: "Download it again." });
    }
    this.#start = offset;
    this.#bytes = answer;
    this.#view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
  }

  skip(bytes: number): void {
    this.position += bytes;
  }

  /**
   * Steps over up to `count` strings without building one, as far as their lengths lie in the window; returns how many. A plain
   * loop over local variables, because a vocabulary has 150 000 strings and a generator step per string costs more than the rest.
   */
  skipStrings(count: number): number {
    const bytes = this.#bytes;
    const last = bytes.length - 8;
    let at = this.position - this.#start;
    let skipped = 0;
    while (skipped < count && at >= 0 && at <= last) {
      // oxlint-disable-next-line no-bitwise
      const low = ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)) >>> 0;
      // Damage shows in the upper half: it points far beyond the window, and the next read fails.
      const high = (bytes[at + 4] ?? 0) + (bytes[at + 5] ?? 0) + (bytes[at + 6] ?? 0) + (bytes[at + 7] ?? 0);
      at += 8 + low + high * 2 ** 32;
      skipped += 1;
    }
    this.position = this.#start + at;
    return skipped;
  }

  #advance(bytes: number): number {
    const at = this.position - this.#start;
    this.position += bytes;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  i8(): number {
    return this.#view.getInt8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  i16(): number {
    return this.#view.getInt16(this.#advance(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }

  f32(): number {
    return this.#view.getFloat32(this.#advance(4), true);
  }

  f64(): number {
    return this.#view.getFloat64(this.#advance(8), true);
  }

  /** As a double: exact to 2^53, which no count, size or offset of a real file exceeds. */
  u64(): number {
    const at = this.#advance(8);
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32;
  }

  i64(): number {
    const at = this.#advance(8);
    return this.#view.getUint32(at, true) + this.#view.getInt32(at + 4, true) * 2 ** 32;
  }

  raw(bytes: number): Uint8Array {
    const at = this.#advance(bytes);
    return this.#bytes.subarray(at, at + bytes);
  }

  text(bytes: number): string {
    return utf8.decode(this.raw(bytes));
  }
}
