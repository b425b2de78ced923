import type { LoadProgress, WrappedServer } from "../backends/index.ts";
import type { LoadOptions } from "../config/index.ts";
import type { RouterError } from "../errors.ts";
import { kindOfLabels, type ModelEntry, type ModelKind } from "../model/index.ts";
import type { Resident } from "../scheduling/index.ts";

/** Why an engine is ended on purpose, for the requests that it had not answered by then. */
export interface Stop {
  readonly error: RouterError;
  /** Whether such a request may be sent to the model's next engine. */
  readonly mayAskAgain: boolean;
}

/** One model that has, gets or loses an engine. Changed by the router's loop alone. */
export class Instance implements Resident {
  readonly entry: ModelEntry;
  readonly kind: ModelKind;
  readonly options: LoadOptions;
  /** Aborted when the load shall end: nobody waits for it any more, or it is unloaded. */
  readonly loadAbort = new AbortController();
  state: Resident["state"] = "loading";
  inFlight = 0;
  lastUsedMs: number;
  /** The engine while it starts, and afterwards. */
  prepared: WrappedServer | undefined;
  /** The engine once it is ready. */
  server: WrappedServer | undefined;
  progress: LoadProgress | undefined;
  /** The engine's own entry of the model, where it tells one. */
  info: Readonly<Record<string, unknown>> | undefined;
  /** The engine has freed the model and loads it again with the next request. */
  isAsleep = false;
  /** Somebody asked for the load itself: it goes on when no request waits for it. */
  isAskedFor = false;
  /** Settles once the engine is gone and the place is free. */
  readonly gone = Promise.withResolvers<void>();
  /** Set when it is ended on purpose. */
  stopped: Stop | undefined;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  /** Ends the engine of a model that is stopping, once its last request is through. */
  #endEngine: (() => void) | undefined;

  constructor(entry: ModelEntry, options: LoadOptions, nowMs: number) {
    this.entry = entry;
    this.kind = kindOfLabels(entry.labels);
    this.options = options;
    this.lastUsedMs = nowMs;
  }

  get model(): string {
    return this.entry.id;
  }

  /** A request gets the right to it. A passive one does not count as a use. */
  begin(isPassive: boolean): void {
    this.inFlight++;
    clearTimeout(this.#idleTimer);
    if (!isPassive) this.lastUsedMs = Date.now();
  }

  /** A request gives its right back. */
  end(isPassive: boolean): void {
    this.inFlight--;
    if (!isPassive) this.lastUsedMs = Date.now();
    if (this.inFlight === 0) this.#endEngine?.();
  }

  /** Calls back when it has been ready and without requests for so long since its last use. */
  whenIdleFor(idleMs: number, callback: () => void): void {
    clearTimeout(this.#idleTimer);
    const isIdle = () => this.inFlight === 0 && this.state === "ready";
    if (!isIdle()) return;
    const timer = setTimeout(() => isIdle() && callback(), Math.max(this.lastUsedMs + idleMs - Date.now(), 0));
    timer.unref(); // It keeps no program alive.
    this.#idleTimer = timer;
  }

  /** Nobody wants it while it loads. */
  abortLoad(reason: unknown): void {
    this.state = "stopping";
    this.loadAbort.abort(reason);
  }

  /** The engine ends once no request is in flight, or after `drainMs`: requests that are left then learn why. */
  stop(drainMs: number, why?: Stop): void {
    clearTimeout(this.#idleTimer);
    this.stopped = why ?? this.stopped;
    if (this.state === "stopping") {
      if (drainMs === 0) this.#endEngine?.(); // It was given time before; now it has none.
      return;
    }
    this.state = "stopping";
    const endEngine = () => {
      clearTimeout(deadline);
      this.#endEngine = undefined;
      void this.server?.stop();
    };
    const deadline = setTimeout(endEngine, drainMs);
    if (this.inFlight === 0) endEngine();
    else this.#endEngine = endEngine;
  }
}
