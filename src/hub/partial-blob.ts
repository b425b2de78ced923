import { constants } from "node:fs";
import { open, unlink, type FileHandle } from "node:fs/promises";
import { RouterError } from "../errors.ts";
import type { Clock } from "./clock.ts";
import { ContentCheck, type ContentName } from "./content-name.ts";
import { freeBytes } from "./free-bytes.ts";

/** Writes of this size cost little per byte and find their bytes still in the processor's caches; larger ones take twice the time. */
const WRITE_BYTES = 1 << 19;
/** So much may wait to be written before no more is taken: a larger reserve is no faster. */
const MOST_PENDING_BYTES = 1 << 20;
/** The disk is told to catch up this often, so that little is left to wait for at the end. */
const SYNC_EVERY_BYTES = 1 << 27;
/** A slow download is written this often, so that a killed process loses little of it. */
const WRITE_EVERY_MS = 250;
const READ_BYTES = 1 << 20;

export interface PartialBlobOptions {
  readonly sizeBytes: number;
  /** Undefined where the hub names no hash: then only the length is checked. */
  readonly content: ContentName | undefined;
  readonly clock: Clock;
  /** Is shown how the content begins, before anything of it is kept, and throws when it cannot be what was asked for. */
  readonly checkStart?: ((start: Uint8Array) => void) | undefined;
}

interface PendingChunk {
  readonly chunk: Uint8Array;
  readonly isOurs: boolean;
}

/**
 * A file that is being downloaded: always a prefix of the content. Its bytes are hashed as they are appended, so the finished file is
 * not read again. Only what an earlier process had downloaded is read, once, because a hash cannot be stored half done.
 */
export class PartialBlob implements AsyncDisposable {
  readonly path: string;
  readonly #options: PartialBlobOptions;
  readonly #file: FileHandle;
  #check: ContentCheck | undefined;
  #writtenBytes: number;
  #pending: PendingChunk[] = [];
  #pendingBytes = 0;
  /** Of the write that is under way. */
  #writingBytes = 0;
  #writing: Promise<void> | undefined;
  #lastWriteMs: number;
  #unsyncedBytes = 0;
  #syncing: Promise<void> | undefined;
  #isClosed = false;

  private constructor(path: string, file: FileHandle, writtenBytes: number, options: PartialBlobOptions) {
    this.path = path;
    this.#file = file;
    this.#options = options;
    this.#writtenBytes = writtenBytes;
    this.#lastWriteMs = options.clock.now();
    this.#check = newCheck(options);
  }

  static async open(path: string, options: PartialBlobOptions): Promise<PartialBlob> {
    const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o666);
    try {
      const { size } = await file.stat();
      // Longer than the whole: whatever it is, it is not the beginning of this file.
      if (size > options.sizeBytes) await file.truncate(0);
      return new PartialBlob(path, file, size > options.sizeBytes ? 0 : size, options);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Bytes of the content that are here, in the file or about to be written. */
  get bytes(): number {
    return this.#writtenBytes + this.#writingBytes + this.#pendingBytes;
  }

  /** Hashes what an earlier process has left. */
  async readPrefix(signal: AbortSignal): Promise<void> {
    const buffer = new Uint8Array(Math.min(READ_BYTES, this.#writtenBytes));
    for (let position = 0; this.#check && position < this.#writtenBytes;) {
      signal.throwIfAborted();
      const { bytesRead } = await this.#file.read(buffer, 0, Math.min(buffer.length, this.#writtenBytes - position), position);
      if (bytesRead === 0) throw new RouterError("DOWNLOAD_FAILED", `${this.path} became shorter while it was read`);
      this.#check.update(buffer.subarray(0, bytesRead));
      position += bytesRead;
    }
  }

  /** Takes the next bytes. A chunk that is ours is emptied once it is written; another is written before the promise settles. */
  async append(chunk: Uint8Array, isOurs: boolean): Promise<void> {
    if (this.bytes === 0) this.#options.checkStart?.(chunk);
    this.#check?.update(chunk);
    this.#pendingBytes += chunk.length;
    if (!isOurs) {
      for (const piece of piecesOf(chunk, WRITE_BYTES)) this.#pending.push({ chunk: piece, isOurs });
      return await this.flush();
    }
    this.#pending.push({ chunk, isOurs });
    const isDue = this.#pendingBytes >= WRITE_BYTES || this.#options.clock.now() - this.#lastWriteMs >= WRITE_EVERY_MS;
    if (!isDue) return;
    const writing = this.#write();
    // Otherwise not awaited: the next bytes are received and hashed meanwhile. Who waits next hears of its failure.
    if (this.#pendingBytes >= MOST_PENDING_BYTES) await writing;
  }

  async flush(): Promise<void> {
    while (this.#pendingBytes > 0 || this.#writing) await this.#write();
  }

  /** Starts writing what is pending, unless that is under way or has failed. */
  #write(): Promise<void> {
    if (this.#writing) return this.#writing;
    const writing = this.#writePending().then(() => void (this.#writing = undefined));
    writing.catch(() => {});
    this.#writing = writing;
    return writing;
  }

  async #writePending(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#takeBatch();
      let chunks = batch.map(({ chunk }) => chunk);
      while (this.#writingBytes > 0) {
        const { bytesWritten } = await this.#file.writev(chunks, this.#writtenBytes);
        this.#writtenBytes += bytesWritten;
        this.#writingBytes -= bytesWritten;
        this.#unsyncedBytes += bytesWritten;
        chunks = withoutFirst(chunks, bytesWritten);
      }
      this.#lastWriteMs = this.#options.clock.now();
      for (const { chunk, isOurs } of batch) if (isOurs) freeBytes(chunk);
      if (this.#unsyncedBytes >= SYNC_EVERY_BYTES) this.#sync();
    }
  }

  /** Moves the first of the pending bytes to those that are being written: whole chunks, or a piece of a large one. */
  #takeBatch(): readonly PendingChunk[] {
    const batch: PendingChunk[] = [];
    let bytes = 0;
    for (let first = this.#pending[0]; first && (bytes === 0 || bytes + first.chunk.length <= WRITE_BYTES); first = this.#pending[0]) {
      batch.push(first);
      bytes += first.chunk.length;
      this.#pending.shift();
    }
    this.#pendingBytes -= bytes;
    this.#writingBytes = bytes;
    return batch;
  }

  /** A failure is kept for `finish`: the system tells of bytes that it could not save only once. */
  #sync(): void {
    if (this.#syncing) return;
    this.#unsyncedBytes = 0;
    this.#syncing = this.#file.datasync().then(() => void (this.#syncing = undefined));
    this.#syncing.catch(() => {});
  }

  /**
   * Checks length and hash, makes sure that the bytes are on the disk, and closes the file.
   * @throws {@link RouterError} `CHECKSUM_MISMATCH`; the caller decides about the file.
   */
  async finish(label: string): Promise<void> {
    await this.flush();
    const { sizeBytes, content, checkStart } = this.#options;
    if (sizeBytes === 0) checkStart?.(new Uint8Array());
    if (this.#writtenBytes !== sizeBytes) {
      throw new RouterError("DOWNLOAD_FAILED", `${label} has ${this.#writtenBytes} of ${sizeBytes} bytes`);
    }
    if (content && !this.#check?.matches()) {
      throw new RouterError("CHECKSUM_MISMATCH", `${label} does not have the ${content.algorithm} that the hub names: ${content.hex}`, {
        hint: "The download was damaged on its way and has been dropped; try again, and check the proxy or disk if it happens twice.",
      });
    }
    // A blob's name says what it holds. After a power failure a renamed file that was not synced may hold zeros.
    await this.#syncing;
    await this.#syncing;
    await this.#file.datasync();
    await this.close();
  }

  /** Forgets everything that has arrived. */
  async restart(): Promise<void> {
    await this.#drop();
    await this.#file.truncate(0);
    this.#writtenBytes = 0;
    this.#check = newCheck(this.#options);
  }

  async discard(): Promise<void> {
    await this.#drop();
    await this.close();
    await unlink(this.path);
  }

  async #drop(): Promise<void> {
    this.#pending = [];
    await this.#writing?.catch(() => {});
    this.#writing = undefined;
    this.#writingBytes = 0;
    this.#pendingBytes = 0;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#syncing?.catch(() => {});
    await this.#file.close();
  }

  /** Writes what is pending, for the next attempt; leaves no empty file. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    try {
      await this.flush();
    } catch {
      // The disk is full or gone: what led here has said so already.
    } finally {
      await this.close();
    }
    if (this.#writtenBytes === 0) await unlink(this.path).catch(() => {});
  }
}

function newCheck({ content, sizeBytes }: PartialBlobOptions): ContentCheck | undefined {
  return content && new ContentCheck(content, sizeBytes);
}

function* piecesOf(bytes: Uint8Array, size: number): Iterable<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
}

function withoutFirst(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let skip = bytes;
  for (const chunk of chunks) {
    if (skip < chunk.length) rest.push(skip > 0 ? chunk.subarray(skip) : chunk);
    skip = Math.max(0, skip - chunk.length);
  }
  return rest;
}
