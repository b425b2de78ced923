import type { ServerEvents, ServerState } from "./inference-process.ts";
import { OutputFeed } from "./output-feed.ts";

/** The state and the output of one server, and whoever listens to them. */
export class ServerEventHub {
  readonly output: OutputFeed = new OutputFeed();
  readonly #listeners = new Set<(state: ServerState) => void>();
  #state: ServerState = "idle";

  get state(): ServerState {
    return this.#state;
  }

  enter(state: ServerState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }

  on<K extends keyof ServerEvents>(event: K, listener: (value: ServerEvents[K]) => void): () => void {
    if (event === "state") {
      const onState = listener as (state: ServerState) => void; // Checked just above; TypeScript does not narrow K.
      this.#listeners.add(onState);
      return () => void this.#listeners.delete(onState);
    }
    const onText = listener as (text: string) => void;
    return this.output.subscribe(({ stream, text }) => {
      if (stream === event) onText(text);
    });
  }
}
