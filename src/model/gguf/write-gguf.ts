/**
 * A writer of GGUF version 3 files, little-endian. It returns the parts of the file that hold something; what lies
 * between them is zero, so that a model of many gigabytes of zero weights costs neither memory nor disk.
 */

export type GgufScalar =
  | { readonly type: "u32" | "i32" | "f32"; readonly value: number }
  | { readonly type: "u64"; readonly value: bigint }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string };

export type GgufArray =
  | { readonly type: "i32[]" | "f32[]"; readonly value: readonly number[] }
  | { readonly type: "string[]"; readonly value: readonly string[] };

export type GgufValue = GgufScalar | GgufArray;

export interface GgufTensor {
  readonly name: string;
  /** Sizes as GGUF counts them: the first is the contiguous one, so a matrix is `[columns, rows]`. */
  readonly shape: readonly number[];
  readonly type: "f32" | "f16";
  /** Row after row. Left out: all zero. */
  readonly values?: Float32Array | undefined;
}

export interface GgufFile {
  readonly metadata: Readonly<Record<string, GgufValue>>;
  readonly tensors: readonly GgufTensor[];
}

/** A file as its length and the pieces that are not zero, in order and apart from each other. */
export interface SparseImage {
  readonly totalBytes: number;
  readonly parts: readonly { readonly offsetBytes: number; readonly bytes: Uint8Array }[];
}

const VERSION = 3;
// The default of the format: a reader takes it when `general.alignment` is absent.
const ALIGNMENT_BYTES = 32;
const TYPE_CODE = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, u64: 10 } as const;
const ARRAY_CODE = 9;
const TENSOR_CODE = { f32: 0, f16: 1 } as const;
const TENSOR_ELEMENT_BYTES = { f32: 4, f16: 2 } as const;

export function writeGguf(file: GgufFile): SparseImage {
  const header = new ByteWriter();
  header.bytes(new TextEncoder().encode("GGUF"));
  header.u32(VERSION);
  header.u64(file.tensors.length);
  const metadata = Object.entries(file.metadata);
  header.u64(metadata.length);
  for (const [key, value] of metadata) {
    header.string(key);
    writeValue(header, value);
  }

  const parts: { offsetBytes: number; bytes: Uint8Array }[] = [];
  let dataBytes = 0;
  for (const tensor of file.tensors) {
    header.string(tensor.name);
    header.u32(tensor.shape.length);
    for (const size of tensor.shape) header.u64(size);
    header.u32(TENSOR_CODE[tensor.type]);
    header.u64(dataBytes);
    if (tensor.values) parts.push({ offsetBytes: dataBytes, bytes: encodeTensor(tensor, tensor.values) });
    dataBytes = align(dataBytes + elementCount(tensor) * TENSOR_ELEMENT_BYTES[tensor.type]);
  }

  const dataOffsetBytes = align(header.length);
  return {
    totalBytes: dataOffsetBytes + dataBytes,
    parts: [
      { offsetBytes: 0, bytes: header.finish() },
      ...parts.map((part) => ({ offsetBytes: dataOffsetBytes + part.offsetBytes, bytes: part.bytes })),
    ],
  };
}

/** The whole file in memory; for one with gigabytes of zeros, write the parts at their offsets instead. */
export function flattenImage(image: SparseImage): Uint8Array {
  const whole = new Uint8Array(image.totalBytes);
  for (const part of image.parts) whole.set(part.bytes, part.offsetBytes);
  return whole;
}

function writeValue(out: ByteWriter, value: GgufValue): void {
  switch (value.type) {
    case "i32[]":
    case "f32[]":
    case "string[]": {
      const element = value.type === "i32[]" ? "i32" : value.type === "f32[]" ? "f32" : "string";
      out.u32(ARRAY_CODE);
      out.u32(TYPE_CODE[element]);
      out.u64(value.value.length);
      for (const item of value.value) writeScalar(out, { type: element, value: item } as GgufScalar);
      return;
    }
    default:
      out.u32(TYPE_CODE[value.type]);
      writeScalar(out, value);
  }
}

function writeScalar(out: ByteWriter, scalar: GgufScalar): void {
  switch (scalar.type) {
    case "u32":
      return out.u32(scalar.value);
    case "i32":
      return out.i32(scalar.value);
    case "f32":
      return out.f32(scalar.value);
    case "u64":
      return out.u64(scalar.value);
    case "bool":
      return out.bytes(Uint8Array.of(scalar.value ? 1 : 0));
    case "string":
      return out.string(scalar.value);
  }
}

function encodeTensor(tensor: GgufTensor, values: Float32Array): Uint8Array {
  const count = elementCount(tensor);
  if (values.length !== count) throw new RangeError(`${tensor.name} has ${values.length} values where its shape says ${count}`);
  const view = new DataView(new ArrayBuffer(count * TENSOR_ELEMENT_BYTES[tensor.type]));
  values.forEach((value, index) => {
    if (tensor.type === "f32") view.setFloat32(index * 4, value, true);
    // DataView.setFloat16 would do, but Node 22 does not have it.
    else if (value !== 0) view.setUint16(index * 2, toHalfBits(value), true);
  });
  return new Uint8Array(view.buffer);
}

/** IEEE 754 binary16, rounded to nearest; values too small for a normal number become zero, too large ones are refused. */
function toHalfBits(value: number): number {
  const magnitude = Math.abs(value);
  if (!(magnitude < 65_520)) throw new RangeError(`${value} does not fit in a 16-bit float`);
  if (magnitude < 2 ** -14) return 0;
  const exponent = Math.floor(Math.log2(magnitude));
  // The sum, not a bitwise or: a mantissa that rounds up to 1024 carries into the exponent, as it should.
  const bits = ((exponent + 15) << 10) + Math.round((magnitude / 2 ** exponent - 1) * 1024);
  return value < 0 ? bits | 0x8000 : bits;
}

function elementCount(tensor: GgufTensor): number {
  return tensor.shape.reduce((product, size) => product * size, 1);
}

function align(offset: number): number {
  return Math.ceil(offset / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

class ByteWriter {
  #view = new DataView(new ArrayBuffer(1 << 14));
  length = 0;

  u32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#advance(4), value, true);
  }

  i32(value: number): void {
    this.#reserve(4);
    this.#view.setInt32(this.#advance(4), value, true);
  }

  f32(value: number): void {
    this.#reserve(4);
    this.#view.setFloat32(this.#advance(4), value, true);
  }

  u64(value: number | bigint): void {
    this.#reserve(8);
    this.#view.setBigUint64(this.#advance(8), BigInt(value), true);
  }

  string(text: string): void {
    const encoded = new TextEncoder().encode(text);
    this.u64(encoded.length);
    this.bytes(encoded);
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    new Uint8Array(this.#view.buffer).set(bytes, this.#advance(bytes.length));
  }

  finish(): Uint8Array {
    return new Uint8Array(this.#view.buffer, 0, this.length);
  }

  #advance(byteCount: number): number {
    const at = this.length;
    this.length += byteCount;
    return at;
  }

  #reserve(byteCount: number): void {
    if (this.length + byteCount <= this.#view.byteLength) return;
    const larger = new Uint8Array(Math.max(this.#view.byteLength * 2, this.length + byteCount));
    larger.set(new Uint8Array(this.#view.buffer, 0, this.length));
    this.#view = new DataView(larger.buffer);
  }
}
