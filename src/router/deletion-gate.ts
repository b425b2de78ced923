import { parseHubCheckpoint, type ModelEntry } from "../model/index.ts";

/** Holds engines back while files of their repository are deleted: one that starts in between would run without its files. */
export class DeletionGate {
  readonly #closed = new Map<string, Promise<unknown>>();

  /** Runs `work` with the gate of the model closed; after any other deletion there. */
  async close<T>(entry: ModelEntry, work: () => Promise<T>): Promise<T> {
    const key = keyOf(entry);
    const before = this.#closed.get(key) ?? Promise.resolve();
    const deletion = before.then(work);
    const settled = deletion.catch(() => {});
    this.#closed.set(key, settled);
    try {
      return await deletion;
    } finally {
      if (this.#closed.get(key) === settled) this.#closed.delete(key);
    }
  }

  /** Waits until nothing of the model is being deleted. Rejects with the signal's reason. */
  async pass(entry: ModelEntry, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    for (let closed = this.#closed.get(keyOf(entry)); closed !== undefined; closed = this.#closed.get(keyOf(entry))) {
      const aborted = Promise.withResolvers<void>();
      const onAbort = (): void => aborted.resolve();
      signal.addEventListener("abort", onAbort, { once: true });
      await Promise.race([closed, aborted.promise]);
      signal.removeEventListener("abort", onAbort);
      signal.throwIfAborted();
    }
  }
}

const keyOf = ({ checkpoint }: ModelEntry): string => parseHubCheckpoint(checkpoint)?.repo ?? checkpoint;
