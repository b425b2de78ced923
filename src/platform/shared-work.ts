/** Work that several callers wait for: one of them leaving does not end it, the last one does. */
export class SharedWork<T> {
  readonly #result: Promise<T>;
  readonly #leaving = new AbortController();
  #waiting = 0;
  #isOver = false;

  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.#result = work(this.#leaving.signal).finally(() => (this.#isOver = true));
    this.#result.catch(() => undefined); // Whoever waits sees it.
  }

  /** Everybody has left before it was done: who comes now has to begin it anew. */
  get isAbandoned(): boolean {
    return this.#leaving.signal.aborted;
  }

  /** Rejects with the signal's reason once it aborts, else as the work does. */
  async join(signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const { promise: left, reject } = Promise.withResolvers<never>();
    const leave = (): void => reject(signal?.reason);
    signal?.addEventListener("abort", leave, { once: true });
    this.#waiting++;
    try {
      return await Promise.race([this.#result, left]);
    } finally {
      signal?.removeEventListener("abort", leave);
      if (--this.#waiting === 0 && !this.#isOver) this.#leaving.abort();
    }
  }
}
