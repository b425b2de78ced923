/** One line on stderr that is written over on a terminal; elsewhere a plain line, at most one a second and none twice. */
export class ProgressLine implements Disposable {
  readonly #out = process.stderr;
  #shown = "";
  #shownMs = 0;

  show(text: string): void {
    if (text === this.#shown) return;
    if (this.#out.isTTY) this.#out.write(`\r\u001B[K${text.slice(0, this.#out.columns - 1)}`);
    else {
      if (Date.now() - this.#shownMs < 1000) return;
      this.#out.write(`${text}\n`);
    }
    this.#shown = text;
    this.#shownMs = Date.now();
  }

  /** Removes the line from a terminal. */
  clear(): void {
    if (this.#out.isTTY && this.#shown !== "") this.#out.write("\r\u001B[K");
    this.#shown = "";
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}
