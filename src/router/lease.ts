import type { EngineTelemetry } from "../backends/index.ts";
import type { ModelEntry } from "../model/index.ts";
import type { Instance, Stop } from "./instance.ts";

/** The right to send one request to one engine. Its model is not evicted before the lease ends. */
export class Lease implements AsyncDisposable {
  readonly #instance: Instance;
  #release: (() => void) | undefined;

  constructor(instance: Instance, release: () => void) {
    this.#instance = instance;
    this.#release = release;
  }

  get entry(): ModelEntry {
    return this.#instance.entry;
  }

  /** Base of the engine's HTTP side, `http://127.0.0.1:PORT`. */
  get baseUrl(): string {
    return this.#instance.server?.baseUrl ?? "";
  }

  get telemetry(): EngineTelemetry | undefined {
    return this.#instance.server?.telemetry;
  }

  /** What a request must call the model, where the engine has a name of its own for it. */
  get upstreamModel(): string | undefined {
    return this.#instance.server?.upstreamModel;
  }

  /**
   * Whether the engine has ended. The end of a connection is often seen a moment before the end of its process, so a caller that has
   * lost its connection may wait `withinMs` for the answer.
   */
  async isEngineGone({ withinMs = 0 }: { withinMs?: number } = {}): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<false>();
    const timer = setTimeout(resolve, withinMs, false);
    const isGone = await Promise.race([this.#instance.gone.promise.then(() => true), promise]);
    clearTimeout(timer);
    return isGone;
  }

  /** Set when the engine is ended on purpose, or was. */
  get stopped(): Stop | undefined {
    return this.#instance.stopped;
  }

  /** The last lines of the engine's output. */
  logTail(): readonly string[] {
    return this.#instance.server?.logTail() ?? [];
  }

  /** Gives the right back; twice is harmless. */
  release(): void {
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
  }
}
