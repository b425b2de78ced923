import { LemonadeApiError } from "./api-error.ts";
import type {
  Backend,
  ChatMessage,
  ChatPiece,
  Download,
  FoundRepo,
  GenerationParams,
  Health,
  InstalledBackend,
  InstallProgress,
  LocalModel,
  LogLevel,
  LogLine,
  Model,
  ModelDetails,
  PullRequest,
  Stats,
  SystemInfo,
  Variant,
} from "./answers.ts";
import { Transport, type CallOptions, type LemonadeClientOptions } from "./transport.ts";

export type { CallOptions, LemonadeClientOptions } from "./transport.ts";

type Nullable<T> = { readonly [K in keyof T]: T[K] | null };

export interface LoadWishes extends CallOptions {
  /** Context to reserve, in tokens. */
  readonly contextTokens?: number | undefined;
  /** Which build of llama.cpp runs it: `vulkan`, `cpu`, `embedded`, … */
  readonly backend?: string | undefined;
  /** Further arguments for `llama-server`, as one line. */
  readonly args?: string | undefined;
  /** Keeps these options for every later load of the model, in the place of what was kept; none of them forgets it. */
  readonly saves?: boolean | undefined;
}

export interface LogWishes {
  /** The least important level that is told. Defaults to all that the server logs. */
  readonly level?: LogLevel | undefined;
  /** Only lines of this model's engine, or of this part of the server. */
  readonly model?: string | undefined;
}

export interface InstallOptions extends CallOptions {
  /** Another version than the one that belongs to this program. */
  readonly version?: string | undefined;
  /** Installs what is installed already once more. */
  readonly force?: boolean | undefined;
  readonly onProgress?: ((progress: InstallProgress) => void) | undefined;
}

/**
 * The management API of a lemonade server, typed; from `lemon.ts/client`, on any runtime with `fetch`. Answers of models come from the OpenAI
 * client of your choice; `chat` is here for programs that want no other. It holds nothing that would have to be closed.
 *
 * Every method rejects with {@link LemonadeApiError} when the server refuses or does not answer, and with the signal's reason when it is
 * aborted; aborting ends the request, and with it what the server did for nobody else.
 * @example
 * ```ts
 * const client = new LemonadeClient({ url: "http://localhost:8000" });
 * for await (const { bytes_done, bytes_total } of client.pull({ model_name: "Qwen3-0.6B-GGUF" })) console.log(bytes_done / bytes_total);
 * await client.load("Qwen3-0.6B-GGUF");
 * ```
 */
export class LemonadeClient {
  readonly #transport: Transport;

  constructor(options: LemonadeClientOptions = {}) {
    this.#transport = new Transport(options);
  }

  /** Whether the server lives and which models are loaded, most recently used first. */
  async health(options?: CallOptions): Promise<Health> {
    return await this.#transport.json<Health>("GET", "health", undefined, options);
  }

  /** Models that are here; with `all` the whole catalogue. */
  async models({ all = false, ...options }: CallOptions & { all?: boolean } = {}): Promise<readonly Model[]> {
    return (await this.#transport.json<{ data: readonly Model[] }>("GET", `models${all ? "?show_all=true" : ""}`, undefined, options)).data;
  }

  /** One model of the catalogue, here or not. Rejects with the code `model_not_found` when there is none of that name. */
  async model(model: string, options?: CallOptions): Promise<Model> {
    return await this.#transport.json<Model>("GET", `models/${encodeURIComponent(model)}`, undefined, options);
  }

  /** What the files of a model say, and what it needs with a context of `contextTokens`. */
  async modelDetails(
    model: string,
    { contextTokens, ...options }: CallOptions & { contextTokens?: number | undefined } = {},
  ): Promise<ModelDetails> {
    const context = contextTokens === undefined ? "" : `&ctx_size=${contextTokens}`;
    return await this.#transport.json<ModelDetails>(
      "GET",
      `models/${encodeURIComponent(model)}?details=true${context}`,
      undefined,
      options,
    );
  }

  /** What the machine consists of and which engines are on it; with `complete` waits until everything is known. */
  async systemInfo({
    verbose = false,
    complete = false,
    ...options
  }: CallOptions & { verbose?: boolean; complete?: boolean } = {}): Promise<SystemInfo> {
    return await this.#transport.json<SystemInfo>("GET", `system-info?verbose=${verbose}&complete=${complete}`, undefined, options);
  }

  /**
   * Loads a model, or loads it again when it runs with other options than are asked for; resolves to its name once it answers. Whatever is
   * loaded will do when nothing is asked for.
   */
  async load(model: string, { contextTokens, backend, args, saves, ...options }: LoadWishes = {}): Promise<string> {
    const wishes = { ctx_size: contextTokens, llamacpp_backend: backend, llamacpp_args: args, save_options: saves };
    return (await this.#transport.json<{ model_name: string }>("POST", "load", { model_name: model, ...wishes }, options)).model_name;
  }

  /** Unloads one model, or all. Resolves to the names of those that were loaded. */
  async unload(model?: string, options?: CallOptions): Promise<readonly string[]> {
    const body = model === undefined ? {} : { model_name: model };
    return (await this.#transport.json<{ unloaded: readonly string[] }>("POST", "unload", body, options)).unloaded;
  }

  /**
   * Downloads a model, joining a download that runs; yields its progress and ends when the model is here. Leaving the loop early does not
   * stop the download: `controlDownload` does.
   */
  async *pull(request: PullRequest, options?: CallOptions): AsyncGenerator<Download> {
    for await (const { event, data } of this.#transport.events("POST", "pull", { ...request, stream: true }, options)) {
      if (event === "complete") return;
      if (event === "progress") yield data as Download; // The server's own event.
    }
    options?.signal?.throwIfAborted();
    throw new LemonadeApiError("The server ended before the download was done", { status: 0, code: undefined });
  }

  /** Downloads that run, wait, are paused or have failed. */
  async downloads(options?: CallOptions): Promise<readonly Download[]> {
    return (await this.#transport.json<{ data: readonly Download[] }>("GET", "downloads", undefined, options)).data;
  }

  /**
   * Uploads the files of a model and registers it; resolves to its name. Files are read while they are sent: they may be larger than
   * the memory.
   */
  async addLocalModel(model: LocalModel, options?: CallOptions): Promise<string> {
    return (await this.#transport.json<{ model_name: string }>("POST", "add-local-model", formOf(model), options)).model_name;
  }

  /**
   * `cancel` drops what has arrived of unfinished files; `pause` keeps everything, and so does `leave`, which is for one of those who wait
   * for the download: it goes on when others do. Resolves to the download as it then is.
   */
  async controlDownload(id: string, action: "pause" | "resume" | "cancel" | "leave", options?: CallOptions): Promise<Download> {
    return (await this.#transport.json<{ download: Download }>("POST", "downloads/control", { id, action }, options)).download;
  }

  /** Deletes the files of one model; one that is loaded is refused, unless `unload` says that it goes first. */
  async deleteModel(model: string, { unload = false, ...options }: CallOptions & { unload?: boolean | undefined } = {}): Promise<string> {
    return (await this.#transport.json<{ message: string }>("POST", "delete", { model_name: model, unload }, options)).message;
  }

  /** Engines that are installed or could be. */
  async backends(options?: CallOptions): Promise<readonly Backend[]> {
    return (await this.#transport.json<{ data: readonly Backend[] }>("GET", "backends", undefined, options)).data;
  }

  /** Installs an engine, `llamacpp:vulkan`, `embedded`, …; `llamacpp` alone is the variant that fits the machine. Leaving ends the installation. */
  async install(name: string, { onProgress, signal, ...wishes }: InstallOptions = {}): Promise<InstalledBackend> {
    for await (const { event, data } of this.#transport.events("POST", "install", { backend: name, ...wishes, stream: true }, { signal })) {
      if (event === "complete") return data as InstalledBackend; // The server's own events, held to its schemas there.
      if (event === "progress") onProgress?.(data as InstallProgress);
    }
    signal?.throwIfAborted();
    throw new LemonadeApiError("The server ended before the engine was installed", { status: 0, code: undefined });
  }

  /** Removes an engine of which nothing runs. Resolves to a sentence about it. */
  async uninstall(name: string, options?: CallOptions): Promise<string> {
    return (await this.#transport.json<{ message: string }>("POST", "uninstall", { backend: name }, options)).message;
  }

  /** GGUF repositories on the hub. */
  async search(query: string, options?: CallOptions): Promise<readonly FoundRepo[]> {
    return (
      await this.#transport.json<{ data: readonly FoundRepo[] }>(
        "GET",
        `registry/search?query=${encodeURIComponent(query)}`,
        undefined,
        options,
      )
    ).data;
  }

  /** What a repository on the hub offers, with sizes. */
  async variants(checkpoint: string, options?: CallOptions): Promise<readonly Variant[]> {
    const path = `pull/variants?checkpoint=${encodeURIComponent(checkpoint)}`;
    return (await this.#transport.json<{ data: readonly Variant[] }>("GET", path, undefined, options)).data;
  }

  /** Streams the answer to a conversation. */
  async *chat(model: string, messages: readonly ChatMessage[], options?: CallOptions): AsyncGenerator<ChatPiece> {
    for await (const { data } of this.#transport.events("POST", "chat/completions", { model, messages, stream: true }, options)) {
      const { choices } = data as { choices?: { delta?: { content?: string | null; reasoning_content?: string | null } }[] };
      const delta = choices?.[0]?.delta;
      if (delta?.reasoning_content) yield { kind: "reasoning", text: delta.reasoning_content };
      if (delta?.content) yield { kind: "content", text: delta.content };
    }
  }

  /** What the last request cost, and sums per model. */
  async stats(options?: CallOptions): Promise<Stats> {
    return await this.#transport.json<Stats>("GET", "stats", undefined, options);
  }

  /**
   * Sets generation parameters for requests that say nothing of their own, until the server ends; null takes one back. Resolves to all of
   * them as they now are.
   */
  async setParams(params: Partial<Nullable<GenerationParams>>, options?: CallOptions): Promise<GenerationParams> {
    return (await this.#transport.json<{ params: GenerationParams }>("POST", "params", params, options)).params;
  }

  /** Ends one's own running generations, or with `model` all of that model. Resolves to how many there were. */
  async halt(model?: string, options?: CallOptions): Promise<number> {
    return (await this.#transport.json<{ halted: number }>("POST", "halt", model === undefined ? {} : { model }, options)).halted;
  }

  /** Changes the log level, now and for the next start. */
  async setLogLevel(level: LogLevel, options?: CallOptions): Promise<void> {
    await this.#transport.json("POST", "log-level", { level }, options);
  }

  /** The last log lines and every new one, until the signal aborts, the loop is left or the server ends. */
  async *logs({ level, model, ...options }: CallOptions & LogWishes = {}): AsyncGenerator<LogLine> {
    const query = new URLSearchParams({ ...(level && { level }), ...(model && { model }) }).toString();
    for await (const { data } of this.#transport.events("GET", `logs/stream?${query}`, undefined, options)) yield data as LogLine;
  }

  /** Any request to `/api/v1`; for what has no method here. A form is sent as one, anything else as JSON. */
  async request(method: string, path: string, body?: unknown, options?: CallOptions): Promise<Response> {
    return await this.#transport.request(method, path, body, options);
  }
}

function formOf({ files, ...fields }: LocalModel): FormData {
  const form = new FormData();
  // The server refuses what the fields say before the files come: they go first.
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) form.set(name, String(value));
  for (const { path, content } of files) form.append("model_files", content, path);
  return form;
}
