/** One line that the engine printed. */
export interface OutputLine {
  readonly stream: "stdout" | "stderr";
  /** The line without its end. */
  readonly text: string;
}

/** Lines kept for a reader who comes later, and most lines that wait for one who is slow: then the oldest go. */
const MAX_LINES = 1000;

/** The output of one engine, for any number of readers. */
export class OutputFeed {
  readonly #kept: OutputLine[] = [];
  readonly #listeners = new Set<(line: OutputLine) => void>();
  readonly #onEnd = new Set<() => void>();
  #hasEnded = false;

  add(line: OutputLine): void {
    this.#kept.push(line);
    if (this.#kept.length > MAX_LINES) this.#kept.shift();
    for (const listener of this.#listeners) listener(line);
  }

  /** No line follows. */
  end(): void {
    this.#hasEnded = true;
    for (const onEnd of this.#onEnd) onEnd();
  }

  /** Calls `listener` with every line from now on, until the returned function is called. */
  subscribe(listener: (line: OutputLine) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The kept lines, then every new one until the output ends or the reader leaves. */
  follow(): AsyncIterableIterator<OutputLine, undefined, undefined> {
    const queue = [...this.#kept];
    const leaving = new AbortController();
    let wake: (() => void) | undefined;
    const wakeUp = (): void => wake?.();
    const unsubscribe = this.subscribe((line) => {
      queue.push(line);
      if (queue.length > MAX_LINES) queue.shift();
      wakeUp();
    });
    this.#onEnd.add(wakeUp);
    const leave = (): IteratorReturnResult<undefined> => {
      leaving.abort();
      unsubscribe();
      this.#onEnd.delete(wakeUp);
      wakeUp();
      return { done: true, value: undefined };
    };
    return {
      next: async () => {
        while (!leaving.signal.aborted) {
          const value = queue.shift();
          if (value !== undefined) return { done: false, value };
          if (this.#hasEnded) break;
          await new Promise<void>((resolve) => (wake = resolve));
        }
        return leave();
      },
      return: async () => leave(),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }
}
