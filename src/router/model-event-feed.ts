import type { ModelEvent } from "../model/index.ts";

/** Events that may wait for a reader who is slow; then they go, and the reader is told to look at the whole list. */
const MAX_QUEUED_EVENTS = 1000;

/** Hands every event about models to whoever listens. */
export class ModelEventFeed {
  readonly #readers = new Set<(event: ModelEvent) => void>();
  readonly #closed = new AbortController();

  readonly emit = (event: ModelEvent): void => {
    for (const reader of this.#readers) reader(event);
  };

  get readerCount(): number {
    return this.#readers.size;
  }

  /** Every reader is at its end. */
  close(): void {
    this.#closed.abort();
  }

  /** Every event from this call on, until the signal aborts or the feed closes. */
  follow(until: AbortSignal): AsyncGenerator<ModelEvent> {
    const signal = AbortSignal.any([until, this.#closed.signal]);
    let queue: ModelEvent[] = [];
    let wake = Promise.withResolvers<void>();
    const reader = (event: ModelEvent) => {
      if (queue.length >= MAX_QUEUED_EVENTS) queue = [{ kind: "reloaded" }];
      else queue.push(event);
      wake.resolve();
    };
    const leave = () => {
      this.#readers.delete(reader);
      wake.resolve();
    };
    if (!signal.aborted) this.#readers.add(reader);
    signal.addEventListener("abort", leave, { once: true });
    async function* events(): AsyncGenerator<ModelEvent> {
      try {
        while (!signal.aborted) {
          const event = queue.shift();
          if (event !== undefined) yield event;
          else {
            await wake.promise;
            wake = Promise.withResolvers();
          }
        }
      } finally {
        signal.removeEventListener("abort", leave);
        leave();
      }
    }
    return events();
  }
}
