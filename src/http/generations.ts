/** A request that an engine works on, or that waits for one. */
export interface Generation {
  /** The model's name: as it was asked for, and its own one once it is known. */
  model: string;
  /** Who asked, as far as the connection tells while it lasts. Asked for rarely: the system must be asked for the address. */
  readonly caller: () => string;
  /** Aborted when the client leaves or when the generation is halted; the reason says which. */
  readonly signal: AbortSignal;
  readonly abort: (reason: unknown) => void;
  /** It is over; twice is harmless. */
  readonly end: () => void;
}

/** What runs at the moment, so that it can be stopped by somebody else than its own connection. */
export class Generations {
  readonly #running = new Set<Generation>();

  /** `client` is aborted when the client leaves. */
  start({ model, caller, client }: { model: string; caller: () => string; client: AbortSignal }): Generation {
    const controller = new AbortController();
    const abort = (reason: unknown) => controller.abort(reason);
    const onClientGone = () => abort(client.reason);
    const end = () => {
      client.removeEventListener("abort", onClientGone);
      this.#running.delete(generation);
    };
    const generation: Generation = { model, caller, signal: controller.signal, abort, end };
    this.#running.add(generation);
    if (client.aborted) onClientGone();
    else client.addEventListener("abort", onClientGone, { once: true });
    return generation;
  }

  /** Ends the generations that are meant, for that reason. Returns how many there were. */
  halt(isMeant: (generation: Generation) => boolean, reason: unknown): number {
    const meant = [...this.#running].filter(isMeant);
    for (const generation of meant) {
      generation.end();
      generation.abort(reason);
    }
    return meant.length;
  }
}
