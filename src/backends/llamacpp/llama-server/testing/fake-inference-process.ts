import type { ExitInfo } from "../../../../platform/index.ts";
import { engineAddress } from "../argv.ts";
import { ServerNotReadyError, ServerProcessError, UpstreamClientError } from "../errors.ts";
import { InferenceEndpoints, type ServerRequest } from "../inference-endpoints.ts";
import type { HealthOptions, InferenceProcess, ServerEvents, ServerState, StartOptions, StopOptions } from "../inference-process.ts";
import type { HealthStatus } from "../inference-types.ts";
import { FALLBACK_PORT, type ResolvedOptions } from "../options.ts";
import type { OutputLine } from "../output-feed.ts";
import { readBody } from "../read-body.ts";
import { ServerEventHub } from "../server-events.ts";
import { fakeResponse } from "./fake-response.ts";

/** A request that a fake has received. */
export interface RecordedRequest {
  /** `POST`, `GET`, … */
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * An answer: a response, a value that becomes its JSON body, an error that breaks the connection, or a function of the request that
 * gives any of these. A response that is streamed at its own pace comes from a function; one that is given as it is gets read whole.
 */
export type FakeReply = unknown;

/** How a fake behaves. */
export interface FakeInferenceProcessOptions {
  /** Options that it claims to have been made with. */
  readonly options?: Partial<ResolvedOptions> | undefined;
  /** Answers by path, such as `/v1/chat/completions`; a path that is not listed answers 404. */
  readonly replies?: Readonly<Record<string, FakeReply>> | undefined;
  /** What a start does: by default it succeeds at once, an error makes it fail, a function is awaited. */
  readonly start?: Error | ((options: StartOptions) => Promise<void> | void) | undefined;
}

const NOWHERE: ResolvedOptions = {
  model: "/nowhere/model.gguf",
  alias: "fake",
  executable: "/nowhere/llama-server",
  apiKey: undefined,
  port: FALLBACK_PORT,
  host: undefined,
  embeddings: true,
  args: [],
  env: {},
  cwd: undefined,
  recordsDir: undefined,
};

/**
 * Stands in for a `LlamaServer` where a test needs no process: the same states, errors and streams, with answers of its own. It
 * keeps count of starts and stops and records every request.
 *
 * ```ts
 * const server = new FakeInferenceProcess({ replies: { "/v1/chat/completions": { choices: [{ message: { content: "Hi" } }] } } });
 * ```
 */
export class FakeInferenceProcess extends InferenceEndpoints implements InferenceProcess {
  readonly options: ResolvedOptions;
  readonly baseUrl: URL;
  /** Every request so far, oldest first. */
  readonly requests: RecordedRequest[] = [];
  /** How often `start` was called. */
  startCount = 0;
  /** How often `stop` was called. */
  stopCount = 0;
  readonly #replies: Map<string, FakeReply>;
  readonly #start: FakeInferenceProcessOptions["start"];
  readonly #events = new ServerEventHub();
  readonly #exited = Promise.withResolvers<ExitInfo>();
  #exit: ExitInfo | undefined;

  constructor({ options, replies = {}, start }: FakeInferenceProcessOptions = {}) {
    super();
    this.options = { ...NOWHERE, ...options };
    this.baseUrl = engineAddress(this.options).baseUrl;
    this.#replies = new Map(Object.entries(replies));
    this.#start = start;
  }

  /** Where it is in its life. */
  get state(): ServerState {
    return this.#events.state;
  }

  /** There is no process. */
  get pid(): undefined {
    return undefined;
  }

  get exited(): Promise<ExitInfo> {
    return this.#exited.promise;
  }

  /** Sets the answer of a path from now on. */
  reply(path: string, reply: FakeReply): this {
    this.#replies.set(path, reply);
    return this;
  }

  async start(options: StartOptions = {}): Promise<void> {
    this.startCount++;
    if (this.state !== "idle") throw new ServerProcessError(`it is ${this.state}, and a server is started once`);
    this.#events.enter("starting");
    try {
      options.signal?.throwIfAborted();
      if (this.#start instanceof Error) throw this.#start;
      await this.#start?.(options);
      options.signal?.throwIfAborted();
      if (this.#events.state !== "starting") throw new ServerProcessError("it was stopped before it was ready");
    } catch (error) {
      if (this.#events.state === "starting") this.#events.enter("failed");
      throw error;
    }
    this.#events.enter("ready");
  }

  async stop(_options: StopOptions = {}): Promise<ExitInfo | undefined> {
    this.stopCount++;
    if (this.#events.state === "ready") {
      this.#events.enter("stopping");
      this.#end({ code: 0, signal: null }, "stopped");
    } else if (this.#events.state === "idle" || this.#events.state === "starting") this.#events.enter("stopped");
    return this.#exit;
  }

  /** Behaves as if the process had ended by itself: the state is `failed`, and requests are refused. */
  crash(exit: ExitInfo = { code: null, signal: "SIGKILL" }): void {
    this.#end(exit, "failed");
  }

  /** Behaves as if the process had printed a line. */
  print(text: string, stream: OutputLine["stream"] = "stderr"): void {
    this.#events.output.add({ stream, text });
  }

  /** Stops it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async request(path: string, { method, body, headers = {}, signal }: ServerRequest = {}): Promise<Response> {
    if (this.#events.state !== "ready") throw new ServerNotReadyError({ cause: new ServerProcessError(`it is ${this.#events.state}`) });
    signal?.throwIfAborted();
    const request = { method: method ?? (body === undefined ? "GET" : "POST"), path, body, headers };
    this.requests.push(request);
    const url = new URL(path, this.baseUrl).href;
    if (!this.#replies.has(path))
      return fakeResponse({ error: { message: "File Not Found", type: "not_found_error", code: 404 } }, { status: 404, url });
    const reply = this.#replies.get(path);
    const answer: unknown = typeof reply === "function" ? await (reply as (request: RecordedRequest) => unknown)(request) : reply;
    signal?.throwIfAborted();
    if (answer instanceof Error)
      throw answer instanceof UpstreamClientError ? answer : new UpstreamClientError(answer.message, { cause: answer });
    if (!(answer instanceof Response)) return fakeResponse(answer, { url });
    if (answer !== reply) return answer;
    // A response can be read once, and the same reply may be asked for again.
    const bytes = new Uint8Array(await answer.clone().arrayBuffer());
    return fakeResponse(bytes, { url, status: answer.status, headers: Object.fromEntries(answer.headers) });
  }

  async health({ signal }: HealthOptions = {}): Promise<HealthStatus> {
    signal?.throwIfAborted();
    if (this.#events.state === "starting") return { status: "loading", httpStatus: 503, body: { error: { message: "Loading model" } } };
    if (!this.#replies.has("/health") && this.#events.state === "ready") return { status: "ok", httpStatus: 200, body: { status: "ok" } };
    const response = await this.request("/health", { signal });
    return { status: response.ok ? "ok" : "error", httpStatus: response.status, body: await readBody(response) };
  }

  on<K extends keyof ServerEvents>(event: K, listener: (value: ServerEvents[K]) => void): () => void {
    return this.#events.on(event, listener);
  }

  logs(): AsyncIterableIterator<OutputLine, undefined, undefined> {
    return this.#events.output.follow();
  }

  #end(exit: ExitInfo, state: ServerState): void {
    this.#exit = exit;
    this.#events.enter(state);
    this.#events.output.end();
    this.#exited.resolve(exit);
  }
}
