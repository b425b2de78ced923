import type { LoadProgress, WrappedServer } from "../backends/index.ts";
import type { LoadOptions } from "../config/index.ts";
import { kindOfLabels, type ModelEntry, type ModelKind } from "../model/index.ts";
import type { Resident } from "../scheduling/index.ts";

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
  /** Unloads it when nobody asks for it for a while. */
  idleTimer: ReturnType<typeof setTimeout> | undefined;
  /** Settles once the engine is gone and the place is free. */
  readonly gone = Promise.withResolvers<void>();
  /** Called whenever a request gives its lease back. */
  onIdle: (() => void) | undefined;

  constructor(entry: ModelEntry, options: LoadOptions, nowMs: number) {
    this.entry = entry;
    this.kind = kindOfLabels(entry.labels);
    this.options = options;
    this.lastUsedMs = nowMs;
  }

  get model(): string {
    return this.entry.id;
  }
}
