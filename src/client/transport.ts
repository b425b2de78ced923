import { SseDecoder } from "../dialects/index.ts";
import { apiErrorOf, apiErrorOfEvent, LemonadeApiError } from "./api-error.ts";

export interface LemonadeClientOptions {
  /** Base address of the server. Defaults to `http://localhost:8000`. */
  readonly url?: string | undefined;
  /** API key, where the server wants one. */
  readonly apiKey?: string | undefined;
  /**
   * How requests are sent. Defaults to the runtime's `fetch`, on Bun without its limit of time: a model may load for longer. That of Node
   * gives up after five minutes without an answer; give one with a dispatcher of your own where models load for longer.
   */
  readonly fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined;
}

export interface CallOptions {
  /** Aborting gives the request up and rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface StreamedEvent {
  readonly event: string | undefined;
  readonly data: unknown;
}

/** Sends requests to `/api/v1` and reads answers; a refusal rejects with {@link LemonadeApiError}. */
export class Transport {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #fetch: (url: string, init: RequestInit) => Promise<Response>;

  constructor({ url = "http://localhost:8000", apiKey, fetch: send = patientFetch }: LemonadeClientOptions) {
    this.#url = url.replace(/\/+$/, "");
    this.#headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
    this.#fetch = send;
  }

  async request(method: string, path: string, body?: unknown, { signal }: CallOptions = {}): Promise<Response> {
    const isForm = body instanceof FormData; // Which names its own type.
    const init: RequestInit = { method, headers: isForm ? this.#headers : { "content-type": "application/json", ...this.#headers } };
    if (body !== undefined) init.body = isForm ? body : JSON.stringify(body);
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

  async json<T>(method: string, path: string, body?: unknown, options?: CallOptions): Promise<T> {
    return (await (await this.request(method, path, body, options)).json()) as T; // The server's own answer, held to its schemas there.
  }

  async *events(method: string, path: string, body?: unknown, options?: CallOptions): AsyncGenerator<StreamedEvent> {
    const response = await this.request(method, path, body, options);
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

async function patientFetch(url: string, init: RequestInit): Promise<Response> {
  const patient = { ...init, timeout: false }; // Bun's own option: other runtimes do not look at it.
  return await fetch(url, patient);
}
