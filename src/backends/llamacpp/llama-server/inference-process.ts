import type { ExitInfo } from "../../../platform/index.ts";
import type { LoadProgress } from "../../wrapped-server.ts";
import type { RequestOptions, InferenceEndpoints } from "./inference-endpoints.ts";
import type { HealthStatus } from "./inference-types.ts";
import type { LlamaServerOptions, ResolvedOptions } from "./options.ts";
import type { OutputLine } from "./output-feed.ts";

/**
 * Where a server is in its life: it begins `idle`, is `starting` until requests are welcome, `ready` until it is told to stop, then
 * `stopping` and `stopped`; `failed` after a failed start or when the process ended by itself.
 */
export type ServerState = "idle" | "starting" | "ready" | "stopping" | "stopped" | "failed";

/** What is known while a server starts. */
export interface StartProgress {
  /** How often the health path was asked, from 1; 0 before the first answer. */
  readonly attempt: number;
  /** HTTP status of the last answer, 503 while the model is being read; `undefined` when there was none. */
  readonly status: number | undefined;
  /** How far the engine is with reading the model, where it tells. */
  readonly load: LoadProgress | undefined;
}

/** How long and how a start is waited for. Attempts times interval is the longest start: five minutes by default. */
export interface StartOptions {
  /** Aborting ends the process and rejects with the signal's reason once it is gone. */
  readonly signal?: AbortSignal | undefined;
  /** How often the health path is asked. Defaults to 300. */
  readonly attempts?: number | undefined;
  /** Pause after an attempt that failed, in milliseconds. Defaults to 1000; an engine that says that it is ready is not kept waiting. */
  readonly intervalMs?: number | undefined;
  /** How long one attempt may take, in milliseconds. Defaults to 2000. */
  readonly probeTimeoutMs?: number | undefined;
  /** Defaults to `/health`. */
  readonly healthPath?: string | undefined;
  /** Called after every attempt and whenever the engine tells how far it is. */
  readonly onProgress?: ((progress: StartProgress) => void) | undefined;
}

/** How a process is ended. */
export interface StopOptions {
  /** Time between asking (SIGTERM) and killing (SIGKILL), in milliseconds; 0 kills at once. Defaults to 2000. */
  readonly graceMs?: number | undefined;
  /** Aborting ends the grace: the process is killed at once. */
  readonly signal?: AbortSignal | undefined;
}

/** What can be asked of a health check. */
export interface HealthOptions extends RequestOptions {
  /** How long the answer may take, in milliseconds. Defaults to 2000. */
  readonly timeoutMs?: number | undefined;
}

/** What happens on a server, by name of the event. */
export interface ServerEvents {
  /** A line on standard output: llama-server's answers to `--help` and the like, and its log where it is told so. */
  readonly stdout: string;
  /** A line on standard error: llama-server's log, also what is no error. */
  readonly stderr: string;
  /** The state has changed. */
  readonly state: ServerState;
}

/** A process that answers requests for inference: {@link LlamaServer}, or something that stands in for it in a test. */
export interface InferenceProcess extends InferenceEndpoints, AsyncDisposable {
  readonly options: ResolvedOptions;
  readonly state: ServerState;
  /** Where it listens; known before the start. */
  readonly baseUrl: URL;
  /** Process id, once it has been started. */
  readonly pid: number | undefined;
  /** Settles once a started process is gone, whatever the reason; never rejects. */
  readonly exited: Promise<ExitInfo>;
  /** Starts it and resolves once requests are welcome. A server is started once. */
  start(options?: StartOptions): Promise<void>;
  /** Ends it and resolves once it is gone; with nothing to end it resolves at once. */
  stop(options?: StopOptions): Promise<ExitInfo | undefined>;
  /** Asks the health path once. */
  health(options?: HealthOptions): Promise<HealthStatus>;
  /** Calls a listener on every event of a name until the returned function is called. */
  on<K extends keyof ServerEvents>(event: K, listener: (value: ServerEvents[K]) => void): () => void;
  /** The last lines of output, then every new one until the process is gone or the reader leaves. */
  logs(): AsyncIterableIterator<OutputLine, undefined, undefined>;
}

/** Makes servers: {@link createLlamaServer}, or in tests something that makes fakes. */
export type ServerFactory = (options: LlamaServerOptions) => Promise<InferenceProcess>;
