import { resolve } from "node:path";
import { errorMessage } from "../../../errors.ts";
import { describeExit, ProcessRecords, type ExitInfo, type SupervisedChild } from "../../../platform/index.ts";
import { childEnvironment } from "../../child-environment.ts";
import { launchEngine, untilReady, type LaunchedEngine, type LaunchOutcome } from "../../engine-launch.ts";
import { EXIT_LINE } from "../../engine-protocol.ts";
import { findStartFailure } from "../../explain-start-failure.ts";
import { engineEnvironment } from "../engine-environment.ts";
import { engineAddress, toArgv, urlOf, type EngineAddress } from "./argv.ts";
import {
  HealthCheckError,
  ServerNotReadyError,
  ServerProcessError,
  StartTimeoutError,
  StartupError,
  type LlamaProcessError,
} from "./errors.ts";
import { EngineHttpClient, type EngineRequest } from "./http-client.ts";
import { InferenceEndpoints, type ServerRequest } from "./inference-endpoints.ts";
import type {
  HealthOptions,
  InferenceProcess,
  ServerEvents,
  ServerState,
  StartOptions,
  StartProgress,
  StopOptions,
} from "./inference-process.ts";
import type { HealthStatus } from "./inference-types.ts";
import { resolveOptions, type LlamaServerOptions, type ResolvedOptions } from "./options.ts";
import type { OutputLine } from "./output-feed.ts";
import { readBody } from "./read-body.ts";
import { ServerEventHub } from "./server-events.ts";
import { checkFiles, checkPort } from "./start-checks.ts";

/** The end of a process is noticed a moment after the end of its connections. */
const EXIT_NOTICE_MS = 250;
const PROBE_TIMEOUT_MS = 2000;

/**
 * Makes a server without starting it: checks the options, picks the port, and looks whether model and program exist. Whoever makes it
 * disposes it.
 * @throws {@link InvalidOptionsError} | {@link ModelNotFoundError} | {@link ExecutableNotFoundError}
 */
export async function createLlamaServer(options: LlamaServerOptions): Promise<LlamaServer> {
  const resolved = await resolveOptions(options);
  await checkFiles(resolved);
  return new LlamaServer(resolved);
}

/**
 * Owns one llama-server process: starts it, waits until it is ready, sends it requests, ends it. The process never outlives the
 * program: it is killed when the program ends in an orderly way, and ends by itself when it loses its parent.
 *
 * ```ts
 * const server = await createLlamaServer({ executable, model, alias: "tiny" });
 * try {
 *   await server.start();
 *   const answer = await server.chatCompletions({ messages: [{ role: "user", content: "Hello" }] });
 *   console.log(answer.choices[0]?.message.content);
 * } finally {
 *   await server.stop();
 * }
 * ```
 */
export class LlamaServer extends InferenceEndpoints implements InferenceProcess {
  readonly #options: ResolvedOptions;
  readonly #address: EngineAddress;
  readonly #http: EngineHttpClient;
  readonly #events = new ServerEventHub();
  readonly #exited = Promise.withResolvers<ExitInfo>();
  /** Aborted by `stop`, which ends a start that is under way. */
  readonly #stopping = new AbortController();
  #engine: LaunchedEngine | undefined;
  #starting: Promise<void> | undefined;

  /** @param options - See {@link resolveOptions}; {@link createLlamaServer} does that and checks the files. */
  constructor(options: ResolvedOptions) {
    super();
    this.#options = options;
    this.#address = engineAddress(options);
    this.#http = new EngineHttpClient(this.#address, () => this.#explainFailure());
  }

  /** What it was made with; holds the key in clear. See {@link describeArgv} for a text that does not. */
  get options(): ResolvedOptions {
    return this.#options;
  }

  /** Where it is in its life; `on("state", …)` tells of changes. */
  get state(): ServerState {
    return this.#events.state;
  }

  get baseUrl(): URL {
    return new URL(this.#address.baseUrl);
  }

  get pid(): number | undefined {
    return this.#engine?.child.pid;
  }

  get exited(): Promise<ExitInfo> {
    return this.#exited.promise;
  }

  /**
   * Starts the process and resolves once it answers its health path or says itself that it is ready. After a failure no process is
   * left, and the server cannot be started again: make a new one.
   * @throws {@link StartupError} when it cannot be executed, its port is taken, or it ends before it is ready; with its last lines.
   * @throws {@link HealthCheckError} when the last attempt got no answer; {@link StartTimeoutError} when it got one that is not 2xx.
   * @throws {@link ServerProcessError} when it was started before, or is stopped meanwhile.
   * @throws {@link ModelNotFoundError} | {@link ExecutableNotFoundError} when a file has gone since it was made.
   */
  async start(options: StartOptions = {}): Promise<void> {
    if (this.state !== "idle") throw new ServerProcessError(`it is ${this.state}, and a server is started once`);
    this.#events.enter("starting");
    this.#starting = this.#start(options);
    try {
      await this.#starting;
    } catch (error) {
      if (this.#events.state === "starting") this.#events.enter("failed");
      this.#events.output.end();
      this.#http.close();
      throw error;
    }
  }

  /**
   * Asks the process to end, and after the grace kills its whole group. Calls are joined, twice is harmless; the grace of a later call
   * does not lengthen that of an earlier one.
   */
  async stop({ graceMs = 2000, signal }: StopOptions = {}): Promise<ExitInfo | undefined> {
    this.#stopping.abort(new ServerProcessError("it was stopped before it was ready"));
    if (this.#events.state === "idle") this.#events.enter("stopped");
    const wasReady = this.#events.state === "ready";
    if (this.#events.state === "starting" || wasReady) this.#events.enter("stopping");
    // While the process is being spawned there is no child yet that could be stopped.
    if (this.#engine === undefined) await this.#starting?.catch(() => undefined);
    const exit = this.#engine === undefined ? undefined : await endEngine(this.#engine, { graceMs, signal, wasReady });
    if (this.#events.state === "stopping") this.#events.enter("stopped");
    return exit;
  }

  /** Stops it with the default grace. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async request(path: string, { method, body, headers, signal }: ServerRequest = {}): Promise<Response> {
    if (this.#events.state !== "ready") throw this.#notReady();
    return await this.#http.send(path, { method: method ?? (body === undefined ? "GET" : "POST"), signal, ...encode(body, headers) });
  }

  /**
   * Asks the health path once; allowed while the server starts, too.
   * @throws {@link HealthCheckError} when there is no answer in time; {@link ServerNotReadyError} when there is no process to ask.
   */
  async health({ headers, signal, timeoutMs = PROBE_TIMEOUT_MS }: HealthOptions = {}): Promise<HealthStatus> {
    if (this.#engine === undefined || (this.#events.state !== "starting" && this.#events.state !== "ready")) throw this.#notReady();
    const deadline = AbortSignal.timeout(timeoutMs);
    const limited = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
    try {
      const response = await this.#http.send("/health", { method: "GET", headers, signal: limited });
      const body = await readBody(response, limited);
      return { status: response.ok ? "ok" : response.status === 503 ? "loading" : "error", httpStatus: response.status, body };
    } catch (cause) {
      signal?.throwIfAborted();
      const text = deadline.aborted ? `no answer within ${timeoutMs} ms` : errorMessage(cause);
      throw new HealthCheckError(text, { outputTail: this.#engine.child.logTail() }, { cause });
    }
  }

  on<K extends keyof ServerEvents>(event: K, listener: (value: ServerEvents[K]) => void): () => void {
    return this.#events.on(event, listener);
  }

  logs(): AsyncIterableIterator<OutputLine, undefined, undefined> {
    return this.#events.output.follow();
  }

  async #start({ signal: outer, onProgress, ...limits }: StartOptions): Promise<void> {
    const signal = outer === undefined ? this.#stopping.signal : AbortSignal.any([outer, this.#stopping.signal]);
    signal.throwIfAborted();
    await checkFiles(this.#options);
    await checkPort(this.#address);
    signal.throwIfAborted();
    const { attempts = 300, intervalMs = 1000, probeTimeoutMs = PROBE_TIMEOUT_MS, healthPath = "/health" } = limits;
    let progress: StartProgress = { attempt: 0, status: undefined, load: undefined };
    const report = (change: Partial<StartProgress>): void => onProgress?.((progress = { ...progress, ...change }));
    const engine = await this.#launch((load) => report({ load }));
    const { child } = engine;
    this.#engine = engine;
    // Its requests learn of the end at once, its listeners after its last words.
    void child.ended.then(() => this.#onEnd());
    void child.exited.then((exit) => this.#onExit(exit));
    const outcome = await untilReady(engine, {
      healthUrl: urlOf(this.#address, healthPath).href,
      signal,
      limits: { attempts, intervalMs, probeTimeoutMs, onProbe: ({ attempt, status }) => report({ attempt, status }) },
    });
    if (outcome.kind !== "ready") throw startFailure(outcome, child, (attempts * intervalMs) / 1000);
    // It may have ended in the same instant.
    if (child.exit !== undefined) throw startFailure({ kind: "exited", exit: child.exit }, child, 0);
    if (this.#events.state === "starting") this.#events.enter("ready");
  }

  async #launch(onProgress: NonNullable<Parameters<typeof launchEngine>[0]["onProgress"]>): Promise<LaunchedEngine> {
    const { executable, cwd, env, recordsDir } = this.#options;
    const path = resolve(executable); // A relative path would otherwise be read against the engine's working directory.
    const inherited = childEnvironment(process.env);
    try {
      return await launchEngine({
        command: path,
        args: toArgv(this.#options),
        env: { ...inherited, ...engineEnvironment({ path, variant: "bin" }, inherited), ...env },
        cwd,
        records: recordsDir === undefined ? undefined : new ProcessRecords(resolve(recordsDir)),
        onLine: (text, stream) => this.#events.output.add({ stream, text }),
        onProgress,
      });
    } catch (cause) {
      throw new StartupError(errorMessage(cause), {}, { cause });
    }
  }

  #onEnd(): void {
    if (this.#events.state === "ready") this.#events.enter("failed");
    this.#http.close();
  }

  #onExit(exit: ExitInfo): void {
    this.#events.output.end();
    this.#exited.resolve(exit);
  }

  #notReady(): ServerNotReadyError {
    const exit = this.#engine?.child.exit;
    const how = exit === undefined ? `it is ${this.#events.state}` : `it is ${this.#events.state}: ${describeExit(exit)}`;
    return new ServerNotReadyError({ cause: new ServerProcessError(how) });
  }

  /** A broken connection is often the first sign of a process that has ended. */
  async #explainFailure(): Promise<string | undefined> {
    const { promise, resolve: giveUp } = Promise.withResolvers<undefined>();
    const timer = setTimeout(giveUp, EXIT_NOTICE_MS, undefined);
    const exit = this.#engine?.child.exit ?? (await Promise.race([this.#engine?.child.ended, promise]));
    clearTimeout(timer);
    return exit === undefined ? undefined : `the engine ended with ${describeExit(exit)}`;
  }
}

/**
 * Asks and then kills. A build that speaks the protocol of llama.cpp's router mode is asked by its exit line: once ready it waits for
 * the end of its input even after SIGTERM. Any other one, and one that still loads and reads no input yet, gets SIGTERM.
 */
async function endEngine(
  { child, speaksProtocol }: LaunchedEngine,
  { graceMs, signal, wasReady }: { readonly graceMs: number; readonly signal: AbortSignal | undefined; readonly wasReady: boolean },
): Promise<ExitInfo> {
  const kill = (): void => child.kill();
  const timer = setTimeout(kill, graceMs);
  signal?.addEventListener("abort", kill, { once: true });
  if (graceMs <= 0 || signal?.aborted === true) kill();
  const exit = await child.stop({ stepMs: graceMs, exitLine: wasReady && speaksProtocol() ? EXIT_LINE : undefined });
  clearTimeout(timer);
  signal?.removeEventListener("abort", kill);
  return exit;
}

function startFailure(outcome: Exclude<LaunchOutcome, { kind: "ready" }>, child: SupervisedChild, limitSeconds: number): LlamaProcessError {
  const outputTail = child.logTail();
  if (outcome.kind === "exited") {
    const known = findStartFailure(outputTail, child.foreignSignal);
    const details = { reason: known?.reason, exit: outcome.exit, outputTail };
    return new StartupError(known?.sentence ?? "the process ended before it was ready", details);
  }
  const { probe } = outcome;
  if (probe.status !== undefined) return new StartTimeoutError(limitSeconds, { outputTail });
  return new HealthCheckError(errorMessage(probe.error), { outputTail }, { cause: probe.error });
}

function encode(body: unknown, headers: ServerRequest["headers"]): Pick<EngineRequest, "body" | "headers"> {
  if (body === undefined || typeof body === "string" || body instanceof Uint8Array) return { body, headers };
  return { body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } };
}
