import type { Catalog, CatalogEntry } from "../catalog/index.ts";
import type { LoadOptions } from "../config/index.ts";
import type { AnswerTimings } from "../dialects/index.ts";
import type { ModelEntry, ModelKind } from "../model/index.ts";
import type { RequestStats } from "../telemetry/index.ts";
import type { Engines } from "./engines.ts";
import type { DeletedModel } from "./delete-model.ts";
import type { Lease } from "./lease.ts";
import type { ModelDetails } from "./model-details.ts";
import type { ModelEventFeed } from "./model-event-feed.ts";
import type { LaunchDescription } from "./model-launcher.ts";
import type { ModelLibrary } from "./model-library.ts";
import type { ModelRun } from "./model-run.ts";
import type { ModelStatus } from "./model-status.ts";
import type { PresetCatalog } from "./preset-catalog.ts";

export interface AcquireOptions {
  /** Aborted when the request is given up. */
  readonly signal: AbortSignal;
  /** What the model must be good for; undefined when any will do. */
  readonly kind?: ModelKind | undefined;
  /** Whether a model that is not here may be downloaded for this request. */
  readonly mayDownload?: boolean | undefined;
  /** Whether a model that is not loaded is loaded. Defaults to the server's setting. */
  readonly autoload?: boolean | undefined;
  /** A question about the model rather than a use of it: it does not count when the least recently used one is chosen. */
  readonly isPassive?: boolean | undefined;
}

export interface LoadByHand {
  /** Aborted when the load is given up. */
  readonly signal: AbortSignal;
  /** Wins over what is saved for the model, field by field. Whatever is loaded will do when nothing is asked for. */
  readonly load?: LoadOptions | undefined;
  /** Saves `load` for every later load, in the place of what was saved, once the model is loaded so; when nothing is asked for, forgets it. */
  readonly saves?: boolean | undefined;
}

/** Turns a model name into a lease on an engine, and owns every lifetime behind it. */
export interface Router extends AsyncDisposable {
  readonly catalog: Catalog;
  /** What the preset file says about models. */
  readonly presets: Pick<PresetCatalog, "presetOf" | "hasSection" | "isNamed">;
  /** What happens to models. */
  readonly events: Pick<ModelEventFeed, "follow">;
  /** Downloads, searches and the deletion of files. */
  readonly library: ModelLibrary;
  /** The engines of this machine, installed or not. */
  readonly engines: Engines;
  /** What requests cost, per model. */
  readonly stats: RequestStats;
  /** The entry of a model name. Rejects with MODEL_NOT_FOUND and close names; touches nothing else. */
  resolve(model: string): Promise<CatalogEntry>;
  /** What the files of a model say, and what it needs with a context of so many tokens (by default as many as a load reserves). */
  details(entry: CatalogEntry, options: { signal: AbortSignal; contextTokens?: number | undefined }): Promise<ModelDetails>;
  /** Waits until the model is loaded and hands out the right to send it one request. */
  acquire(model: string, options: AcquireOptions): Promise<Lease>;
  /** Loads a model, or loads it again when it runs with other options. Resolves to its entry and whether it was there already. */
  load(model: string, options: LoadByHand): Promise<{ entry: CatalogEntry; wasLoaded: boolean }>;
  /** What `load` has saved for a model. */
  savedOptionsOf(entry: ModelEntry): LoadOptions;
  /**
   * Begins to load a model and does not wait for it; the load goes on when no request wants it.
   * @throws {@link RouterError} `MODEL_LIMIT_REACHED` when every place is taken by a busy model, `INVALID_REQUEST` when it is loaded.
   */
  beginLoad(model: string, options: { signal: AbortSignal }): Promise<CatalogEntry>;
  /** Begins to load the models that the preset file wants loaded. */
  loadOnStartup(): Promise<void>;
  /** Reads the preset file again, unloads models that are gone or have other options now, and forgets failures. */
  reload(): Promise<void>;
  /** What a model does now, or how it last ended. */
  runOf(entry: CatalogEntry): ModelRun;
  /** How a model would be started. */
  describeLaunch(entry: CatalogEntry): Promise<LaunchDescription>;
  /** How many models may be loaded (0 for any number), and whether requests load them. */
  readonly limits: { readonly maxInstances: number; readonly isAutoloadOn: boolean };
  /** The build of llama.cpp, `b<build>-<commit>`. */
  buildInfo(): Promise<string>;
  /** Unloads one model, or all; requests in flight may finish for a while. Returns the names that were resident. */
  unload(model?: string): Promise<string[]>;
  /** Begins to unload a model that is loaded; what goes wrong then is in the log. */
  beginUnload(model: string): void;
  /** An answer is over: counts what it cost. Without figures of its own those count that the engine prints, a moment later. */
  noteAnswer(lease: Lease, timings: AnswerTimings | undefined): void;
  /**
   * Deletes the files of a model, unloading it first when asked to.
   * @throws {@link RouterError} `MODEL_IN_USE` when it is loaded, `MODEL_NOT_REGISTERED`, `MODEL_NOT_DELETABLE`.
   */
  deleteModel(model: string, options: { signal: AbortSignal; unload: boolean }): Promise<DeletedModel>;
  /** Resident models, most recently used first, and then those whose last run failed. */
  status(): ModelStatus[];
  /** Requests that wait for a load or for a place. */
  readonly waitingCount: number;
  /** Ends every engine without asking; a `close` under way resolves the sooner. */
  kill(): void;
  /** Lets running requests finish up to a deadline, ends every engine. */
  close(options?: { drainMs?: number }): Promise<void>;
}
