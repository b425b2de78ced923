import { SseDecoder } from "../dialects/index.ts";
import { apiErrorOf, apiErrorOfEvent, LemonadeApiError } from "./api-error.ts";
import type {
  Backend,
  ChatMessage,
  ChatPiece,
  Download,
  FoundRepo,
  Health,
  InstalledBackend,
  InstallProgress,
  Model,
  ModelDetails,
  PullRequest,
  SystemInfo,
  Variant,
} from "./answers.ts";

export interface LemonadeClientOptions {
  /** Base address of the server. Defaults to `http://localhost:8000`. */
  readonly url?: string | undefined;
  /** API key, where the server wants one. */
  readonly apiKey?: string | undefined;
  /** How requests are sent. Defaults to the runtime's `fetch`. */
  readonly fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined;
}

export interface CallOptions {
  /** Aborting gives the request up and rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
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
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #fetch: (url: string, init: RequestInit) => Promise<Response>;

  constructor({ url = "http://localhost:8000", apiKey, fetch: send = fetch }: LemonadeClientOptions = {}) {
    this.#url = url.replace(/\/+$/, "");
    this.#headers = { "content-type": "application/json", ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }) };
    this.#fetch = send;
  }

  /** Whether the server lives and which models are loaded, most recently used first. */
  async health(options?: CallOptions): Promise<Health> {
    return await this.#json<Health>("GET", "health", undefined, options);
  }

  /** Models that are here; with `all` the whole catalogue. */
  async models({ all = false, ...options }: CallOptions & { all?: boolean } = {}): Promise<readonly Model[]> {
    return (await this.#json<{ data: readonly Model[] }>("GET", `models${all ? "?show_all=true" : ""}`, undefined, options)).data;
  }

  /** One model of the catalogue, here or not. Rejects with the code `model_not_found` when there is none of that name. */
  async model(model: string, options?: CallOptions): Promise<Model> {
    return await this.#json<Model>("GET", `models/${encodeURIComponent(model)}`, undefined, options);
  }

  /** What the files of a model say, and what it needs with a context of `contextTokens`. */
  async modelDetails(
    model: string,
    { contextTokens, ...options }: CallOptions & { contextTokens?: number | undefined } = {},
  ): Promise<ModelDetails> {
    const context = contextTokens === undefined ? "" : `&ctx_size=${contextTokens}`;
    return await this.#json<ModelDetails>("GET", `models/${encodeURIComponent(model)}?details=true${context}`, undefined, options);
  }

  /** What the machine consists of and which engines are on it; with `complete` waits until everything is known. */
  async systemInfo({
    verbose = false,
    complete = false,
    ...options
  }: CallOptions & { verbose?: boolean; complete?: boolean } = {}): Promise<SystemInfo> {
    return await this.#json<SystemInfo>("GET", `system-info?verbose=${verbose}&complete=${complete}`, undefined, options);
  }

  /** Loads a model; resolves to its name once it answers. */
  async load(model: string, options?: CallOptions): Promise<string> {
    return (await this.#json<{ model_name: string }>("POST", "load", { model_name: model }, options)).model_name;
  }

  /** Unloads one model, or all. */
  async unload(model?: string, options?: CallOptions): Promise<void> {
    await this.#json("POST", "unload", model === undefined ? {} : { model_name: model }, options);
  }

  /**
   * Downloads a model, joining a download that runs; yields its progress and ends when the model is here. Leaving the loop early does not
   * stop the download: `controlDownload` does.
   */
  async *pull(request: PullRequest, options?: CallOptions): AsyncGenerator<Download> {
    for await (const { event, data } of this.#events("pull", { ...request, stream: true }, options)) {
      if (event === "complete") return;
      if (event === "progress") yield data as Download; // The server's own event.
    }
    options?.signal?.throwIfAborted();
    throw new LemonadeApiError("The server ended before the download was done", { status: 0, code: undefined });
  }

  /** Downloads that run, wait, are paused or have failed. */
  async downloads(options?: CallOptions): Promise<readonly Download[]> {
    return (await this.#json<{ data: readonly Download[] }>("GET", "downloads", undefined, options)).data;
  }

  /**
   * `cancel` drops what has arrived of unfinished files; `pause` keeps everything, and so does `leave`, which is for one of those who wait
   * for the download: it goes on when others do. Resolves to the download as it then is.
   */
  async controlDownload(id: string, action: "pause" | "resume" | "cancel" | "leave", options?: CallOptions): Promise<Download> {
    return (await this.#json<{ download: Download }>("POST", "downloads/control", { id, action }, options)).download;
  }

  /** Deletes the files of one model; with `unload` also when it is loaded. */
  async deleteModel(model: string, { unload = false, ...options }: CallOptions & { unload?: boolean | undefined } = {}): Promise<string> {
    return (await this.#json<{ message: string }>("POST", "delete", { model_name: model, unload }, options)).message;
  }

  /** Engines that are installed or could be. */
  async backends(options?: CallOptions): Promise<readonly Backend[]> {
    return (await this.#json<{ data: readonly Backend[] }>("GET", "backends", undefined, options)).data;
  }

  /** Installs an engine, `llamacpp:vulkan`, `embedded`, …; `llamacpp` alone is the variant that fits the machine. Leaving ends the installation. */
  async install(name: string, { onProgress, signal, ...wishes }: InstallOptions = {}): Promise<InstalledBackend> {
    for await (const { event, data } of this.#events("install", { backend: name, ...wishes, stream: true }, { signal })) {
      if (event === "complete") return data as InstalledBackend; // The server's own events, held to its schemas there.
      if (event === "progress") onProgress?.(data as InstallProgress);
    }
    signal?.throwIfAborted();
    throw new LemonadeApiError("The server ended before the engine was installed", { status: 0, code: undefined });
  }

  /** Removes an engine of which nothing runs. Resolves to a sentence about it. */
  async uninstall(name: string, options?: CallOptions): Promise<string> {
    return (await this.#json<{ message: string }>("POST", "uninstall", { backend: name }, options)).message;
  }

  /** GGUF repositories on the hub. */
  async search(query: string, options?: CallOptions): Promise<readonly FoundRepo[]> {
    return (
      await this.#json<{ data: readonly FoundRepo[] }>("GET", `registry/search?query=${encodeURIComponent(query)}`, undefined, options)
    ).data;
  }

  /** What a repository on the hub offers, with sizes. */
  async variants(checkpoint: string, options?: CallOptions): Promise<readonly Variant[]> {
    const path = `pull/variants?checkpoint=${encodeURIComponent(checkpoint)}`;
    return (await this.#json<{ data: readonly Variant[] }>("GET", path, undefined, options)).data;
  }

  /** Streams the answer to a conversation. */
  async *chat(model: string, messages: readonly ChatMessage[], options?: CallOptions): AsyncGenerator<ChatPiece> {
    for await (const { data } of this.#events("chat/completions", { model, messages, stream: true }, options)) {
      const { choices } = data as { choices?: { delta?: { content?: string | null; reasoning_content?: string | null } }[] };
      const delta = choices?.[0]?.delta;
      if (delta?.reasoning_content) yield { kind: "reasoning", text: delta.reasoning_content };
      if (delta?.content) yield { kind: "content", text: delta.content };
    }
  }

  /** Any request to `/api/v1`; for what has no method here. */
  async request(method: string, path: string, body?: unknown, { signal }: CallOptions = {}): Promise<Response> {
    const init: RequestInit = { method, headers: this.#headers };
    if (body !== undefined) init.body = JSON.stringify(body);
    if (signal !== undefined) init.signal = signal;
    let response: Response;
    try {
      response = await this.#fetch(`${this.#url}/api/v1/${path}`, init);
    } catch (error) {
      signal?.throwIfAborted();
      throw new LemonadeApiError(`The server at ${this.#url} does not answer: ${String(error)}`, { status: 0, code: undefined });
    }
    if (!response.ok) throw await apiErrorOf(response);
    return response;
  }

  async #json<T>(method: string, path: string, body?: unknown, options?: CallOptions): Promise<T> {
    return (await (await this.request(method, path, body, options)).json()) as T; // The server's own answer, held to its schemas there.
  }

  async *#events(path: string, body: unknown, options?: CallOptions): AsyncGenerator<{ event: string | undefined; data: unknown }> {
    const response = await this.request("POST", path, body, options);
    if (response.body === null) return;
    const decoder = new SseDecoder();
    for await (const chunk of response.body) {
      for (const { event, data: text } of decoder.push(chunk)) {
        if (text === "[DONE]") return;
        const data: unknown = JSON.parse(text);
        const error = apiErrorOfEvent(data);
        if (error !== undefined) throw error;
        yield { event, data };
      }
    }
  }
}
