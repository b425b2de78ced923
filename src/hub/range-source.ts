import { RouterError } from "../errors.ts";
import { AnswerBody, Connection } from "./answer-body.ts";
import type { FileMetadata } from "./hub-client.ts";
import { refusalError } from "./refusal.ts";
import { TransientError } from "./retry.ts";
import { originOf, type Answer, type HubTransport } from "./transport.ts";

/** The server sent the whole file although a part was asked for, or another file than the one before. */
export class RangeRefusedError extends RouterError {
  override readonly name = "RangeRefusedError";
  /** False for a server that knows no ranges at all: its answers are whole, and the file is the same. */
  readonly hasChanged: boolean;

  constructor(message: string, hasChanged: boolean) {
    super("DOWNLOAD_FAILED", message, { hint: "Start the download again; what has arrived so far is kept." });
    this.hasChanged = hasChanged;
  }
}

/** Reads ranges of one file from wherever the hub has put it, and asks the hub again when a signed address has expired. */
export class RangeSource {
  readonly #transport: HubTransport;
  readonly #refresh: (signal: AbortSignal) => Promise<FileMetadata>;
  readonly #label: string;
  readonly #repo: string | undefined;
  #metadata: FileMetadata;
  #refreshing: Promise<void> | undefined;
  /** The file server's own entity tag, from its first answer. */
  #validator: string | undefined;

  constructor(options: {
    transport: HubTransport;
    metadata: FileMetadata;
    /** What the file is called in messages. */
    label: string;
    /** The repository that it is part of, where it is of a hub. */
    repo?: string | undefined;
    refresh: (signal: AbortSignal) => Promise<FileMetadata>;
  }) {
    this.#transport = options.transport;
    this.#metadata = options.metadata;
    this.#refresh = options.refresh;
    this.#label = options.label;
    this.#repo = options.repo;
  }

  /** Yields the bytes from `start` up to, not including, `end`. */
  async *open(start: number, end: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const validator = this.#validator === undefined ? {} : { "if-range": this.#validator };
    await using body = await this.#send({ range: `bytes=${start}-${end - 1}`, ...validator }, signal);
    this.#checkRange(body.answer, start, end);
    yield* this.#read(body, end - start);
  }

  /** Yields the whole file, from a server that knows no ranges. */
  async *openWhole(signal: AbortSignal): AsyncIterable<Uint8Array> {
    await using body = await this.#send({}, signal);
    const length = Number(body.answer.response.headers.get("content-length") ?? this.#metadata.sizeBytes);
    if (length !== this.#metadata.sizeBytes) throw this.#wrongLength(length);
    yield* this.#read(body, length);
  }

  async #send(headers: Record<string, string>, signal: AbortSignal): Promise<AnswerBody> {
    const { url } = this.#metadata;
    const timeoutMs = this.#transport.settings.downloadTimeoutMs;
    const connection = new Connection(signal);
    const answer = await this.#transport.send(url, { headers, timeoutMs, signal: connection.signal }).catch(async (error: unknown) => {
      await connection[Symbol.asyncDispose]();
      throw error;
    });
    const body = new AnswerBody(answer, connection, timeoutMs);
    if (answer.response.ok) return body;
    await body[Symbol.asyncDispose]();
    const { status } = answer.response;
    const isElsewhere = originOf(answer.url) !== originOf(this.#transport.settings.endpoint);
    if (isElsewhere && status >= 400 && status < 500 && status !== 429 && status !== 408 && status !== 416) {
      await this.#renewAddress(url, signal);
      throw new TransientError("DOWNLOAD_FAILED", `${originOf(answer.url)} answered ${status} for ${this.#label}`);
    }
    if (status === 416) throw new RangeRefusedError(`${this.#label} is shorter than the hub says`, true);
    const { endpoint } = this.#transport.settings;
    throw refusalError(answer.response, {
      endpoint,
      repo: this.#repo,
      path: this.#label,
      hasToken: (await this.#transport.token()) !== undefined,
    });
  }

  /** Signed addresses live for an hour or so. Several parts may find out at once; one of them asks. */
  async #renewAddress(staleUrl: string, signal: AbortSignal): Promise<void> {
    if (this.#metadata.url !== staleUrl) return;
    this.#refreshing ??= this.#refresh(signal)
      .then((metadata) => {
        if (metadata.etag !== this.#metadata.etag) throw new RangeRefusedError(`${this.#label} has changed on the hub meanwhile`, true);
        this.#metadata = metadata;
      })
      .finally(() => (this.#refreshing = undefined));
    await this.#refreshing;
  }

  #checkRange({ response }: Answer, start: number, end: number): void {
    const etag = response.headers.get("etag");
    const isSame = this.#validator === undefined || etag === null || etag === this.#validator;
    if (response.status !== 206) {
      const length = Number(response.headers.get("content-length") ?? this.#metadata.sizeBytes);
      const hasChanged = !isSame || length !== this.#metadata.sizeBytes;
      throw new RangeRefusedError(`The server sent all of ${this.#label} in place of a part`, hasChanged);
    }
    if (!isSame) throw new RangeRefusedError(`${this.#label} has changed on the server during the download`, true);
    const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "");
    const total = Number(range?.[3]);
    if (range && !Number.isNaN(total) && total !== this.#metadata.sizeBytes) throw this.#wrongLength(total);
    if (!range || Number(range[1]) !== start || Number(range[2]) !== end - 1) {
      throw new TransientError("DOWNLOAD_FAILED", `The server sent other bytes of ${this.#label} than asked for`);
    }
    // A weak tag promises equal meaning, not equal bytes.
    if (etag !== null && !etag.startsWith("W/")) this.#validator ??= etag;
  }

  #wrongLength(length: number): RangeRefusedError {
    const message = `${this.#label} has ${length} bytes on the server, ${this.#metadata.sizeBytes} according to the hub`;
    return new RangeRefusedError(message, true);
  }

  async *#read(body: AnswerBody, bytes: number): AsyncIterable<Uint8Array> {
    let left = bytes;
    // Read on after the last byte: the end of the answer frees its connection for the next part.
    for await (const chunk of body.chunks()) {
      if (chunk.length > left) {
        yield chunk.subarray(0, left);
        return;
      }
      left -= chunk.length;
      yield chunk;
    }
    if (left > 0) throw new TransientError("DOWNLOAD_FAILED", `The connection for ${this.#label} ended ${left} bytes early`);
  }
}
