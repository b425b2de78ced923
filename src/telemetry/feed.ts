export interface FeedOptions<T> {
  /** Values that may wait for a reader who is slow. */
  readonly maxQueued: number;
  /** What goes when one more comes: the oldest value, or all of them, where a part is of no use. */
  readonly drops: "oldest" | "all";
  /** What a reader gets in the place of values that went. */
  readonly gap: (droppedCount: number) => T;
}

export interface FollowOptions<T> {
  /** Ends the reading at once. */
  readonly signal: AbortSignal;
  /** What the reader gets before anything new. */
  readonly first?: readonly T[] | undefined;
  readonly passes?: ((value: T) => boolean) | undefined;
}

/** Hands each value to whoever listens; every reader has a bounded queue of its own. */
export class Feed<T> {
  readonly #options: FeedOptions<T>;
  readonly #readers = new Set<{ take(value: T): void; wake(): void }>();
  #isClosed = false;

  constructor(options: FeedOptions<T>) {
    this.#options = options;
  }

  readonly emit = (value: T): void => {
    for (const reader of this.#readers) reader.take(value);
  };

  get readerCount(): number {
    return this.#readers.size;
  }

  /** Ends everybody's reading after the values that are there. */
  close(): void {
    this.#isClosed = true;
    for (const reader of this.#readers) reader.wake();
  }

  /** Every value from this call on, until the signal aborts or the feed is closed. */
  follow({ signal, first = [], passes = () => true }: FollowOptions<T>): AsyncGenerator<T> {
    const { maxQueued, drops, gap } = this.#options;
    const queue = [...first];
    let droppedCount = 0;
    let news = Promise.withResolvers<void>();
    const reader = {
      take(value: T) {
        if (!passes(value)) return;
        queue.push(value);
        if (queue.length > maxQueued) droppedCount += queue.splice(0, drops === "all" ? queue.length : 1).length;
        news.resolve();
      },
      wake: () => news.resolve(),
    };
    const leave = () => {
      this.#readers.delete(reader);
      news.resolve();
    };
    if (!signal.aborted) this.#readers.add(reader);
    signal.addEventListener("abort", leave, { once: true });
    const isOver = () => this.#isClosed;
    async function* values(): AsyncGenerator<T> {
      try {
        while (!signal.aborted) {
          if (droppedCount > 0) {
            const count = droppedCount;
            droppedCount = 0;
            yield gap(count);
          } else if (queue.length > 0) yield queue.shift() as T; // It is not empty.
          else if (isOver()) return;
          else {
            await news.promise;
            news = Promise.withResolvers();
          }
        }
      } finally {
        signal.removeEventListener("abort", leave);
        leave();
      }
    }
    return values();
  }
}
