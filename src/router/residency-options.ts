import type { EngineReport, LoadProgress, WrappedServer } from "../backends/index.ts";
import type { LoadOptions } from "../config/index.ts";
import type { ModelEntry, ModelEvent } from "../model/index.ts";
import type { Log } from "../platform/index.ts";

/** What a start gets from the loop; `onServer` is called before the engine starts. */
export interface EngineStart {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: LoadProgress) => void;
  readonly onReport: (report: EngineReport) => void;
  readonly onServer: (server: WrappedServer) => void;
  /** Ends every idle engine; false when there is none. */
  readonly makeRoom: () => Promise<boolean>;
}

export interface ResidencyOptions {
  readonly log: Log;
  /** How many models of one kind may be resident. */
  readonly maxLoaded: number;
  /** How many models of all kinds together. No limit by default. */
  readonly maxTotal?: number | undefined;
  /** Told what happens to models. */
  readonly onEvent?: ((event: ModelEvent) => void) | undefined;
  /** How long requests of this model may go on when it is unloaded, where that differs from `drainMs`. */
  readonly drainMsOf?: ((entry: ModelEntry) => number | undefined) | undefined;
  /** How a model is loaded for whoever says nothing about it. By default with the settings of the server. */
  readonly optionsOf?: ((entry: ModelEntry) => LoadOptions) | undefined;
  /** Makes and starts the engine of a model. */
  readonly startEngine: (entry: ModelEntry, options: LoadOptions, start: EngineStart) => Promise<WrappedServer>;
  /** How long a request may wait for a place, in milliseconds. Defaults to 10 minutes. */
  readonly queueTimeoutMs?: number | undefined;
  /** How many requests may wait. Defaults to 1024. */
  readonly maxWaiting?: number | undefined;
  /** How long a request waits for a busy model before that one takes no new requests. Defaults to 5 seconds. */
  readonly patienceMs?: number | undefined;
  /** Pause between two health probes of an engine, in milliseconds; 0 for none. Defaults to 10 seconds. */
  readonly healthProbeMs?: number | undefined;
  /** How long a model without requests stays loaded, in milliseconds. For ever by default. */
  readonly idleUnloadMs?: number | undefined;
  /** How long an unloaded model may finish its requests before its engine is ended. Defaults to 10 seconds. */
  readonly drainMs?: number | undefined;
}
