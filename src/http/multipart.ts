import { RouterError } from "../errors.ts";

/** One part of a form. Its content is read before the next part is asked for; what is left of it then is skipped. */
export interface FormPart {
  readonly name: string;
  /** Undefined for a plain field. */
  readonly fileName: string | undefined;
  readonly content: AsyncIterable<Uint8Array>;
}

const CRLF = "\r\n";
/** The end of a delimiter's line may be padded with blanks, but hardly so many. */
const MAX_DELIMITER_LINE_BYTES = 1024;
const MAX_HEADER_BYTES = 16 * 1024;

/** The boundary in a content type. Throws INVALID_REQUEST when there is none. */
export function boundaryOf(contentType: string | null): string {
  const match = /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))\s*(?:;|$)/i.exec(contentType ?? "");
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined) throw malformed("The request must be a multipart/form-data form");
  return boundary;
}

/**
 * Reads a form part by part and piece by piece, as fast as the pieces are taken: a form of any size needs little memory.
 * https://datatracker.ietf.org/doc/html/rfc7578, https://html.spec.whatwg.org/#multipart-form-data
 */
export async function* readMultipart(body: AsyncIterable<Uint8Array>, boundary: string): AsyncGenerator<FormPart> {
  const scanner = new Scanner(body);
  const delimiter = Buffer.from(`${CRLF}--${boundary}`);
  for await (const _preamble of scanner.until(delimiter)) {
    // Said to readers without software for forms; nobody writes one today.
  }
  for (;;) {
    const rest = await scanner.line(MAX_DELIMITER_LINE_BYTES);
    if (rest.startsWith("--")) return;
    if (rest.trim() !== "") throw malformed("A part of the form has a damaged beginning");
    const { name, fileName } = parseHeaders(await scanner.headers());
    const content = scanner.until(delimiter);
    yield { name, fileName, content };
    for await (const _piece of content) {
      // Not wanted.
    }
  }
}

/** Looks for marks in a stream, holding back no more of it than may be the beginning of one. */
class Scanner {
  readonly #pieces: AsyncIterator<Uint8Array>;
  // The first delimiter may stand at the very beginning; all others follow a line break.
  #held: Buffer = Buffer.from(CRLF);

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#pieces = body[Symbol.asyncIterator]();
  }

  /** Everything before a mark; the stream goes on behind it. */
  async *until(mark: Buffer): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const at = this.#held.indexOf(mark);
      const end = at === -1 ? Math.max(0, this.#held.length - mark.length + 1) : at;
      const piece = this.#held.subarray(0, end);
      this.#held = this.#held.subarray(at === -1 ? end : at + mark.length);
      if (piece.length > 0) yield piece;
      if (at !== -1) return;
      await this.#readOn();
    }
  }

  /** The text up to the next line break. */
  async line(maxBytes: number): Promise<string> {
    return await this.#textUntil(CRLF, maxBytes);
  }

  /** The lines of a part's headers. */
  async headers(): Promise<readonly string[]> {
    const lines: string[] = [];
    for (let leftBytes = MAX_HEADER_BYTES; ;) {
      const line = await this.line(leftBytes);
      if (line === "") return lines;
      leftBytes -= line.length;
      lines.push(line);
    }
  }

  async #textUntil(mark: string, maxBytes: number): Promise<string> {
    for (;;) {
      const at = this.#held.indexOf(mark);
      if (at !== -1 && at <= maxBytes) {
        const text = this.#held.toString("utf8", 0, at);
        this.#held = this.#held.subarray(at + mark.length);
        return text;
      }
      if (this.#held.length > maxBytes) throw malformed("A part of the form has a header that is too long");
      await this.#readOn();
    }
  }

  async #readOn(): Promise<void> {
    const { done, value } = await this.#pieces.next();
    if (done === true) throw malformed("The form ends in the middle of a part");
    this.#held =
      this.#held.length === 0 ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : Buffer.concat([this.#held, value]);
  }
}

function parseHeaders(lines: readonly string[]): { name: string; fileName: string | undefined } {
  const disposition = lines.find((line) => /^content-disposition\s*:/i.test(line));
  const name = parameter(disposition, "name");
  if (disposition === undefined || name === undefined) throw malformed("A part of the form has no name");
  return { name, fileName: parameter(disposition, "filename") };
}

/** A quoted parameter. Browsers write quotes and line breaks in it as percent codes, and other programs quotes with a backslash. */
function parameter(header: string | undefined, name: string): string | undefined {
  const match = new RegExp(`[;\\s]${name}="((?:\\\\"|[^"])*)"`, "i").exec(header ?? "");
  const [, quoted] = match ?? [];
  return quoted?.replaceAll('\\"', '"').replaceAll("%22", '"').replaceAll(/%0A/gi, "\n").replaceAll(/%0D/gi, "\r");
}

function malformed(message: string): RouterError {
  return new RouterError("INVALID_REQUEST", message);
}
