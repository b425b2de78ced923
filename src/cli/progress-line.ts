import { cutTo } from "./table.ts";

/**
 * Progress on stderr. On a terminal its lines are written over in place; elsewhere it is a plain line, at most one a second and none
 * twice.
 */
export class ProgressLine implements Disposable {
  readonly #out = process.stderr;
  #shown: readonly string[] = [];
  #shownMs = 0;

  /** Size of the terminal; undefined elsewhere. */
  get terminal(): { readonly columns: number; readonly rows: number } | undefined {
    return this.#out.isTTY ? { columns: this.#out.columns, rows: this.#out.rows } : undefined;
  }

  /** Lines that are too long for the terminal are cut; elsewhere the first one is all. */
  show(...lines: readonly [string, ...string[]]): void {
    const { terminal } = this;
    const shown = terminal === undefined ? lines.slice(0, 1) : lines.map((line) => cutTo(line, terminal.columns - 1));
    if (shown.join("\n") === this.#shown.join("\n")) return;
    if (terminal === undefined) {
      if (Date.now() - this.#shownMs < 1000) return;
      this.#out.write(`${lines[0]}\n`);
    } else this.#out.write(this.#toStart() + shown.join("\n"));
    this.#shown = shown;
    this.#shownMs = Date.now();
  }

  /** Removes the lines from a terminal. */
  clear(): void {
    if (this.#out.isTTY && this.#shown.length > 0) this.#out.write(this.#toStart());
    this.#shown = [];
  }

  /** To the beginning of the first line, with everything from there on erased. */
  #toStart(): string {
    const up = this.#shown.length - 1;
    return `${up > 0 ? `\u001B[${up}A` : ""}\r\u001B[J`;
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}
