/** A model as the server lists it. */
export interface Model {
  readonly id: string;
  readonly checkpoint: string;
  readonly recipe: string;
  readonly labels: readonly string[];
  readonly downloaded: boolean;
  readonly suggested: boolean;
  /** What was saved for its loads. */
  readonly recipe_options: RecipeOptions;
  /** Gigabytes of 10^9 bytes, where known. */
  readonly size?: number;
}

/** Options of a load, each absent where the server's setting holds. */
export interface RecipeOptions {
  readonly ctx_size?: number;
  readonly llamacpp_backend?: string;
  /** Told to whoever may manage models. */
  readonly llamacpp_args?: string;
}

export interface ModelFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/** What the files of a model say, here or on the hub, with `details`; null where no header says it. */
export interface ModelDetails extends Model {
  readonly files: readonly ModelFile[];
  readonly architecture: string | null;
  readonly quantization: string | null;
  readonly parameters: number | null;
  /** The context it was trained for, in tokens. */
  readonly context_length: number | null;
  readonly chat_template: boolean | null;
  readonly tool_calls: boolean | null;
  readonly pooling: string | null;
  readonly memory: ModelMemory | null;
}

/** What a model needs, in bytes, and what this machine has. */
export interface ModelMemory {
  /** The context that the estimate is for, in tokens. */
  readonly ctx_size: number;
  readonly weights: number;
  readonly kv_cache: number;
  readonly compute: number;
  readonly total: number;
  /** Main memory of this machine, and what of it is free now; whether the model fits into it when nothing else does, and now. */
  readonly available: number;
  readonly free: number;
  readonly fits: boolean;
  readonly fits_now: boolean;
  /** Graphics processors with memory of their own, and whether the whole model fits into it. */
  readonly gpus: readonly { readonly name: string; readonly memory: number; readonly fits: boolean }[];
}

export interface LoadedModel {
  readonly model_name: string;
  readonly state: "loading" | "ready" | "busy" | "draining" | "stopping" | "failed";
  readonly type: "text" | "embedding" | "reranking";
  readonly backend: string | null;
  readonly in_flight: number;
  /** What is being loaded or installed, and 0 to 1 of it, while loading. */
  readonly load_stage: string | null;
  readonly load_progress: number | null;
  /** How it was loaded, the context always named; empty when it is not running. */
  readonly recipe_options: RecipeOptions;
  readonly notes: readonly string[];
}

export interface Health {
  readonly status: "ok";
  readonly version: string;
  readonly model_loaded: string | null;
  readonly all_models_loaded: readonly LoadedModel[];
}

/** What one request cost; null before the first one, and where the engine does not tell. Times in seconds. */
export interface RequestStats {
  readonly model: string | null;
  readonly time_to_first_token: number | null;
  readonly tokens_per_second: number | null;
  readonly input_tokens: number | null;
  readonly output_tokens: number | null;
  readonly cached_tokens: number | null;
  /** Of 0 to 1, with speculative decoding. */
  readonly draft_acceptance: number | null;
}

/** What the last request cost, and sums over the requests of each model. */
export interface Stats extends RequestStats {
  readonly models: Readonly<Record<string, ModelStats>>;
}

export interface ModelStats {
  readonly requests: number;
  readonly input_tokens: number;
  readonly cached_tokens: number;
  readonly output_tokens: number;
  readonly last: RequestStats;
}

/** What requests that say nothing of their own are answered with. */
export interface GenerationParams {
  readonly temperature: number;
  readonly top_p: number;
  readonly top_k: number;
  readonly min_length: number;
  readonly max_length: number;
  readonly do_sample: boolean;
}

export type LogLevel = "critical" | "error" | "warning" | "info" | "debug" | "trace";

export interface LogLine {
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  readonly level: LogLevel;
  /** The part of the server, or the model whose engine wrote the line. */
  readonly source: string;
  readonly text: string;
  /** All of it, as the server prints it. */
  readonly line: string;
}

/** The machine, in the words of Lemonade's `system-info`. */
export interface SystemInfo {
  readonly "OS Version": string;
  readonly Processor: string;
  readonly "Physical Memory": string;
  readonly devices: Readonly<Record<string, unknown>>;
  readonly [fact: string]: unknown;
}

export interface PullRequest {
  readonly model_name: string;
  readonly checkpoint?: string | undefined;
  readonly recipe?: string | undefined;
  readonly mmproj?: string | undefined;
  readonly reasoning?: boolean | undefined;
  readonly vision?: boolean | undefined;
  readonly embedding?: boolean | undefined;
  readonly reranking?: boolean | undefined;
  /** A model that is here stays as it is, also when the hub has a newer one. */
  readonly do_not_upgrade?: boolean | undefined;
  /** Pauses the download when the caller leaves, unless others want it. Without it the download goes on. */
  readonly stop_on_disconnect?: boolean | undefined;
}

/** A model on this machine, for the server's cache. */
export interface LocalModel {
  /** `user.` and a name. */
  readonly model_name: string;
  readonly recipe: string;
  /** `FOLDER:VARIANT` when the folder holds several models. */
  readonly checkpoint?: string | undefined;
  readonly mmproj?: string | undefined;
  readonly reasoning?: boolean | undefined;
  readonly vision?: boolean | undefined;
  /** Each with its path, the folder's name included: `FOLDER/model.gguf`. */
  readonly files: readonly { readonly path: string; readonly content: Blob }[];
}

/** `waiting`: another program is writing one of the files. */
/** `elsewhere`: another process runs it. */
export type DownloadState = "running" | "waiting" | "elsewhere" | "paused" | "done" | "failed" | "cancelled";

/** One file of a download. */
export interface DownloadedFile {
  readonly path: string;
  readonly bytes_done: number;
  readonly bytes_total: number;
  readonly bytes_per_second: number | null;
  readonly eta_seconds: number | null;
}

/** A download job: one per set of files. Sizes in bytes. */
export interface Download {
  readonly id: string;
  readonly model: string;
  readonly repo: string;
  readonly state: DownloadState;
  readonly bytes_done: number;
  readonly bytes_total: number;
  readonly bytes_per_second: number | null;
  readonly eta_seconds: number | null;
  readonly error: string | null;
  readonly files: readonly DownloadedFile[];
}

export interface FoundRepo {
  readonly repo: string;
  readonly downloads: number;
  readonly likes: number;
  readonly gated: boolean;
  readonly last_modified: string | null;
}

export interface Variant {
  readonly variant: string;
  readonly files: readonly string[];
  /** Bytes. */
  readonly size: number;
}

/** A chat message as OpenAI's API has it. */
export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** A piece of a streamed answer. */
export interface ChatPiece {
  readonly kind: "content" | "reasoning";
  readonly text: string;
}

/** An engine that is installed or could be. */
export interface Backend {
  /** What `install` takes: `llamacpp:vulkan`, `embedded`, `flm`. */
  readonly name: string;
  readonly backend: string;
  readonly variant: string | null;
  readonly installed: boolean;
  readonly version: string | null;
  readonly path: string | null;
  /** The version that an installation would bring. */
  readonly available_version: string | null;
  /** Whether it makes use of this machine; `reason` says why or why not. */
  readonly available: boolean;
  readonly default: boolean;
  readonly reason: string;
}

/** What an installation is doing. `waiting`: another process installs the same engine. */
export interface InstallProgress {
  readonly stage: "waiting" | "downloading" | "unpacking" | "configuring" | "compiling" | "checking" | "finishing";
  /** Of this stage, where it can be told. */
  readonly percent: number | null;
  readonly bytes_done: number | null;
  readonly bytes_total: number | null;
  /** The file being fetched, the last line of the compiler. */
  readonly detail: string | null;
}

export interface InstalledBackend {
  readonly message: string;
  readonly name: string;
  readonly version: string;
  readonly path: string;
  readonly installed_already: boolean;
  /** It works, but not as hoped. */
  readonly warnings: readonly string[];
}
