import { InvalidOptionsError, UpstreamStatusError } from "./errors.ts";
import { streamEvents, type ResponseStream } from "./event-stream.ts";
import type {
  ChatChunk,
  ChatCompletion,
  ChatCompletionRequest,
  Completion,
  CompletionRequest,
  DetokenizeRequest,
  DetokenizeResult,
  Embeddings,
  EmbeddingsRequest,
  JsonObject,
  RerankRequest,
  RerankResult,
  ServerProps,
  TokenizeRequest,
  TokenizeResult,
} from "./inference-types.ts";
import { readBody } from "./read-body.ts";

/** One HTTP request to the engine. */
export interface ServerRequest {
  /** Defaults to `POST` with a body and to `GET` without. */
  readonly method?: string | undefined;
  /** Text and bytes are sent as they are; anything else is sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Aborting breaks the connection, which ends the engine's work, and rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What every request may be given. */
export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Aborting breaks the connection, which ends the engine's work, and rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Asks for the engine's answer as it is: status, headers and unread body, also when it is an error. */
export interface RawRequestOptions extends RequestOptions {
  readonly raw: true;
}

/**
 * The requests that an engine understands. By default an answer is parsed and an error of the engine is thrown as
 * `UpstreamStatusError`; with `raw: true` the untouched response is returned. A failed connection is an
 * `UpstreamClientError`. Nothing is sent again after a failure.
 */
export abstract class InferenceEndpoints {
  /**
   * Sends a request to any path of the engine and resolves with the head of its answer.
   * @throws `ServerNotReadyError` when there is no process that could answer, `UpstreamClientError` when the connection fails.
   */
  abstract request(path: string, init?: ServerRequest): Promise<Response>;

  /** Answers a conversation: `POST /v1/chat/completions`. */
  chatCompletions(body: ChatCompletionRequest & { readonly stream?: false | undefined }, options?: RequestOptions): Promise<ChatCompletion>;
  chatCompletions(body: JsonObject, options: RawRequestOptions): Promise<Response>;
  async chatCompletions(body: JsonObject, options: RequestOptions = {}): Promise<ChatCompletion | Response> {
    return await post(this, "/v1/chat/completions", body, options);
  }

  /**
   * Answers a conversation piece by piece. Leaving the loop, `return()` and an abort of the signal end the request and with it the
   * engine's work.
   * @throws `UpstreamStatusError` for an error of the engine, also in the middle; `UpstreamClientError` when the stream
   *   ends before its end marker.
   */
  chatCompletionsStream(body: ChatCompletionRequest, options: RequestOptions = {}): ResponseStream<ChatChunk> {
    return stream(this, "/v1/chat/completions", body, options);
  }

  /** Continues a text: `POST /v1/completions`. */
  completions(body: CompletionRequest & { readonly stream?: false | undefined }, options?: RequestOptions): Promise<Completion>;
  completions(body: JsonObject, options: RawRequestOptions): Promise<Response>;
  async completions(body: JsonObject, options: RequestOptions = {}): Promise<Completion | Response> {
    return await post(this, "/v1/completions", body, options);
  }

  /** Continues a text piece by piece; see {@link chatCompletionsStream}. */
  completionsStream(body: CompletionRequest, options: RequestOptions = {}): ResponseStream<Completion> {
    return stream(this, "/v1/completions", body, options);
  }

  /** Turns texts into vectors: `POST /v1/embeddings`. The engine refuses it when it was started without `--embeddings`. */
  embeddings(body: EmbeddingsRequest, options?: RequestOptions): Promise<Embeddings>;
  embeddings(body: JsonObject, options: RawRequestOptions): Promise<Response>;
  async embeddings(body: JsonObject, options: RequestOptions = {}): Promise<Embeddings | Response> {
    return await post(this, "/v1/embeddings", body, options);
  }

  /** Ranks documents by their relevance to a query: `POST /v1/rerank`. The engine must have been started with `--reranking`. */
  rerank(body: RerankRequest, options?: RequestOptions): Promise<RerankResult>;
  rerank(body: JsonObject, options: RawRequestOptions): Promise<Response>;
  async rerank(body: JsonObject, options: RequestOptions = {}): Promise<RerankResult | Response> {
    return await post(this, "/v1/rerank", body, options);
  }

  /** Cuts a text into tokens: `POST /tokenize`, or `/v1/tokenize` where the engine has only that. */
  tokenize(body: TokenizeRequest, options?: RequestOptions): Promise<TokenizeResult>;
  tokenize(body: JsonObject, options: RawRequestOptions): Promise<Response>;
  async tokenize(body: JsonObject, options: RequestOptions = {}): Promise<TokenizeResult | Response> {
    return await postToTokenizer(this, "/tokenize", body, options);
  }

  /** Puts tokens together to a text: `POST /detokenize`, or `/v1/detokenize` where the engine has only that. */
  detokenize(body: DetokenizeRequest, options?: RequestOptions): Promise<DetokenizeResult>;
  detokenize(body: JsonObject, options: RawRequestOptions): Promise<Response>;
  async detokenize(body: JsonObject, options: RequestOptions = {}): Promise<DetokenizeResult | Response> {
    return await postToTokenizer(this, "/detokenize", body, options);
  }

  /** What the engine says of itself and its model: `GET /props`. */
  props(options?: RequestOptions): Promise<ServerProps>;
  props(options: RawRequestOptions): Promise<Response>;
  async props(options: RequestOptions = {}): Promise<ServerProps | Response> {
    return await finish(await this.request("/props", requestOf(options)), options);
  }
}

// No private methods: they would keep anything but a subclass from standing in for a server.

async function post<T>(target: InferenceEndpoints, path: string, body: JsonObject, options: RequestOptions): Promise<T | Response> {
  if (!isRaw(options) && body["stream"] === true) {
    throw new InvalidOptionsError("stream", "true needs the method whose name ends in Stream, or the option raw");
  }
  return await finish<T>(await target.request(path, { ...requestOf(options), body }), options);
}

/** The tokenizer's routes have no version on stock builds; some forks have only that. */
async function postToTokenizer<T>(
  target: InferenceEndpoints,
  path: string,
  body: JsonObject,
  options: RequestOptions,
): Promise<T | Response> {
  const init = { ...requestOf(options), body };
  let response = await target.request(path, init);
  if (response.status === 404) {
    await response.body?.cancel();
    response = await target.request(`/v1${path}`, init);
  }
  return await finish<T>(response, options);
}

function stream<T>(target: InferenceEndpoints, path: string, body: JsonObject, { headers, signal }: RequestOptions): ResponseStream<T> {
  const open = async (abort: AbortSignal): Promise<Response> =>
    await target.request(path, { body: { ...body, stream: true }, headers, signal: abort });
  return streamEvents<T>(open, signal);
}

function isRaw(options: RequestOptions): boolean {
  return (options as Partial<RawRequestOptions>).raw === true;
}

function requestOf({ headers, signal }: RequestOptions): ServerRequest {
  return { headers, signal };
}

async function finish<T>(response: Response, options: RequestOptions): Promise<T | Response> {
  if (isRaw(options)) return response;
  const body = await readBody(response, options.signal);
  if (!response.ok) throw new UpstreamStatusError(response.status, body);
  return body as T; // The engine's own types; what we read of them is checked by the tests on real engines.
}
