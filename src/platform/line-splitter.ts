/**
 * Cuts a byte stream into lines at LF (a CR before it is dropped), whatever the borders of its chunks. A line longer than
 * `maxLineBytes` is handed over in pieces, so that a program that never ends a line cannot fill our memory.
 */
export class LineSplitter {
  readonly #decoder = new TextDecoder();
  readonly #onLine: (line: string) => void;
  readonly #maxLineLength: number;
  #rest = "";

  constructor(onLine: (line: string) => void, { maxLineLength = 16_384 }: { maxLineLength?: number } = {}) {
    this.#onLine = onLine;
    this.#maxLineLength = maxLineLength;
  }

  push(chunk: Uint8Array): void {
    const text = this.#rest + this.#decoder.decode(chunk, { stream: true });
    let start = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", start)) {
      this.#onLine(text.charCodeAt(end - 1) === 13 ? text.slice(start, end - 1) : text.slice(start, end));
      start = end + 1;
    }
    this.#rest = text.slice(start);
    if (this.#rest.length > this.#maxLineLength) this.end();
  }

  /** Hands over what is left after the last line end. */
  end(): void {
    if (this.#rest !== "") this.#onLine(this.#rest);
    this.#rest = "";
  }
}
