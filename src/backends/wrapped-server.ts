import type { EngineTelemetry } from "./engine-telemetry.ts";
import type { ModelFiles, ModelKind, StageProgress } from "../model/index.ts";
import type { ExitInfo } from "../platform/index.ts";

/** What an engine is asked to serve, and how. */
export interface LaunchRequest {
  /** The name that the engine reports in its answers. */
  readonly model: string;
  /** For an engine that keeps its models itself, `model` is the name of one there. */
  readonly files: ModelFiles;
  readonly kind: ModelKind;
  /** Context to reserve, in tokens. */
  readonly contextTokens: number;
  /** Options of a preset, each a flag with its value, if it takes one: they win over ours. An engine that does not know one leaves it out. */
  readonly presetFlags?: readonly (readonly string[])[] | undefined;
  /** Arguments of the user for the engine, after all of ours. */
  readonly extraArgs: readonly string[];
}

/** The stages are `text_model`, `mmproj_model`, … in the engine's words. */
export type LoadProgress = StageProgress;

/** What an engine says of itself once it runs. */
export type EngineReport =
  /** It can answer: for the first time, with its own entry of the model where it tells one, or after a sleep. */
  | { readonly kind: "ready"; readonly info: Readonly<Record<string, unknown>> | undefined }
  /** It has freed the model and loads it again with the next request. */
  | { readonly kind: "sleeping" };

export interface StartOptions {
  /** Aborting ends the child process and rejects with the signal's reason. */
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Called when there is too little memory: ends what may go. The same start is tried once more when something has gone. */
  readonly makeRoom?: (() => Promise<boolean>) | undefined;
  /** Called for as long as the engine lives, where it reports at all. */
  readonly onReport?: ((report: EngineReport) => void) | undefined;
}

/**
 * The object that owns one engine process serving one model. Every backend is a peer of the others: nothing outside its folder knows
 * which one it talks to.
 */
export interface WrappedServer extends AsyncDisposable {
  readonly backend: string;
  /** Base of the engine's HTTP side, `http://127.0.0.1:PORT`; meaningful once `start` has resolved. */
  readonly baseUrl: string;
  readonly pid: number | undefined;
  /** The program and its arguments, as started or as a start would be. */
  readonly commandLine: readonly string[];
  /** What requests must call the model, where the engine has a name of its own for it. */
  readonly upstreamModel?: string | undefined;
  /** What is known of it beside its state; meaningful once `start` has resolved. */
  readonly telemetry: EngineTelemetry;
  /** Remarks a user should see: that the GPU failed and the CPU serves, for instance. */
  readonly notes: readonly string[];
  /** Starts the engine and resolves when it answers. Rejects with MODEL_LOAD_FAILED and the likely cause. */
  start(options: StartOptions): Promise<void>;
  /** Settles when a started process is gone, whatever the reason. Never rejects. */
  readonly exited: Promise<ExitInfo>;
  /** Whether the engine answers its health path with 200 before the signal aborts; undefined when it could not be asked. Never rejects. */
  isHealthy(signal: AbortSignal): Promise<boolean | undefined>;
  /** Ends the process in steps; resolves when it is gone. */
  stop(): Promise<void>;
  /** Ends the process without asking; a stop under way resolves the sooner. */
  kill(): void;
  logTail(): readonly string[];
}
