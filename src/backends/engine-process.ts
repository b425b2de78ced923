import { errorMessage, InstanceExitedError, RouterError } from "../errors.ts";
import { describeExit, pickFreePort, prepareFetch, saysNoDescriptors, type ExitInfo, type SupervisedChild } from "../platform/index.ts";
import type { BackendContext } from "./backend.ts";
import { launchEngine, untilReady, type LaunchedEngine } from "./engine-launch.ts";
import type { EngineOutput, OutputLine } from "./engine-output.ts";
import { EXIT_LINE } from "./engine-protocol.ts";
import { EngineTelemetry, type EngineFact } from "./engine-telemetry.ts";
import { explainStartFailure, isPortTaken } from "./explain-start-failure.ts";
import { tieToParent } from "./install/tie-to-parent.ts";
import { logEngineLine } from "./log-engine-line.ts";
import type { LaunchRequest, StartOptions, WrappedServer } from "./wrapped-server.ts";

/** One attempt to start an engine: another one may follow with other arguments when it fails. */
export interface LaunchPlan {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
  /** Said when this plan is used after an earlier one failed. */
  readonly note?: string | undefined;
}

export interface EngineProcessOptions {
  readonly backend: string;
  readonly context: BackendContext;
  readonly request: LaunchRequest;
  /** Plans in the order of preference, for a port on loopback. At least one. */
  readonly plansFor: (port: number) => readonly LaunchPlan[];
  /** Path that answers 200 once requests are welcome. Defaults to `/health`. */
  readonly healthPath?: string | undefined;
  /** Makes what understands the output of one process. Without it every line is a text like any other. */
  readonly readOutput?: ((onFact: (fact: EngineFact) => void) => EngineOutput) | undefined;
  /**
   * Whether it ends when it is told to on its standard input and when that closes, as llama.cpp's children do. Defaults to true. One that
   * does not is started by a shell which sees to it.
   */
  readonly followsInput?: boolean | undefined;
  /** The name that the engine knows its model by, where that is not the one it was given. */
  readonly upstreamModel?: string | undefined;
}

/** Another program may take our port between picking and binding it; that often in a row is no accident. */
const PORT_ATTEMPTS = 3;

/**
 * An engine in a child process that answers HTTP on loopback: llama-server, our embedded worker, flm. It is ready when the child says
 * so on its output (the protocol of llama.cpp's router mode) or when its health path answers, whichever comes first.
 */
export class EngineProcess implements WrappedServer {
  readonly backend: string;
  readonly #options: EngineProcessOptions;
  readonly #exited = Promise.withResolvers<ExitInfo>();
  readonly #notes: string[] = [];
  #child: SupervisedChild | undefined;
  #isStarted = false;
  #port = 0;
  #plan: LaunchPlan | undefined;
  #telemetry: EngineTelemetry;
  #isStopping = false;
  #isKilled = false;

  constructor(options: EngineProcessOptions) {
    this.backend = options.backend;
    this.#options = options;
    this.#telemetry = new EngineTelemetry(options.request.contextTokens);
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get commandLine(): readonly string[] {
    const plan = this.#plan ?? this.#options.plansFor(this.#port)[0];
    return plan === undefined ? [] : [plan.command, ...plan.args];
  }

  get upstreamModel(): string | undefined {
    return this.#options.upstreamModel;
  }

  get telemetry(): EngineTelemetry {
    return this.#telemetry;
  }

  get notes(): readonly string[] {
    return this.#notes;
  }

  get exited(): Promise<ExitInfo> {
    return this.#exited.promise;
  }

  logTail(): readonly string[] {
    return this.#child?.logTail() ?? [];
  }

  async start(options: StartOptions): Promise<void> {
    if (this.#isStarted) throw new Error("This engine was started before; make a new one to start again");
    this.#isStarted = true;
    try {
      await this.#startWithFallbacks(options);
    } catch (error) {
      await this.#child?.stop({ stepMs: 1000 });
      throw error;
    }
  }

  async isHealthy(signal: AbortSignal): Promise<boolean | undefined> {
    try {
      // A connection of its own: a kept one may just have been closed by the engine.
      const response = await fetch(this.#healthUrl, { signal, keepalive: false });
      await response.body?.cancel();
      return response.ok;
    } catch (error) {
      return saysNoDescriptors(error) ? undefined : false;
    }
  }

  get #healthUrl(): string {
    return `${this.baseUrl}${this.#options.healthPath ?? "/health"}`;
  }

  async stop(): Promise<void> {
    if (this.#child === undefined) return;
    this.#isStopping = true;
    await this.#child.stop({ exitLine: this.#options.followsInput === false ? undefined : EXIT_LINE });
  }

  kill(): void {
    this.#isKilled = true;
    this.#child?.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #startWithFallbacks(options: StartOptions): Promise<void> {
    const { request, context } = this.#options;
    prepareFetch();
    let failure: unknown;
    let hasMadeRoom = false;
    for (let planIndex = 0, attempt = 1; ; attempt++) {
      this.#port = await pickFreePort();
      const plans = this.#options.plansFor(this.#port);
      const plan = plans[planIndex];
      if (plan === undefined) throw failure;
      try {
        const child = await this.#startOnce(plan, options);
        if (plan.note !== undefined && planIndex > 0) {
          this.#notes.push(plan.note);
          context.log.warning(request.model, plan.note);
        }
        void child.ended.then(async (exit) => {
          // Requests that an engine has dropped wait for the news, not for its last words: what it has forked may hold those back.
          if (this.#isStopping) await child.exited;
          this.#exited.resolve(exit);
        });
        return;
      } catch (error) {
        options.signal.throwIfAborted();
        // A program that cannot even be executed cannot be for the CPU either.
        if (!(error instanceof RouterError && error.cause instanceof InstanceExitedError)) throw error;
        failure = error;
        if (isPortTaken(this.logTail()) && attempt < PORT_ATTEMPTS) continue;
        // Before the next plan: on the CPU it would run slowly beside a model that nobody uses.
        if (error.code === "OUT_OF_MEMORY" && !hasMadeRoom && (await options.makeRoom?.()) === true) {
          options.signal.throwIfAborted();
          hasMadeRoom = true;
          continue;
        }
        planIndex++;
        if (plans[planIndex] !== undefined) context.log.warning(request.model, errorMessage(error));
      }
    }
  }

  async #startOnce(plan: LaunchPlan, options: StartOptions): Promise<SupervisedChild> {
    const { context, request } = this.#options;
    const { signal } = options;
    this.#plan = plan;
    context.log.debug(request.model, `starting ${plan.command} ${plan.args.join(" ")}`);
    const engine = await this.#launch(plan, options);
    this.#child = engine.child;
    if (this.#isKilled) engine.child.kill(); // Meant for it, and came while it was being spawned.
    const outcome = await untilReady(engine, { healthUrl: this.#healthUrl, signal });
    if (outcome.kind === "ready") return engine.child;
    const { child } = engine;
    const exit = await child.exited;
    const how = describeExit(exit);
    const cause = new InstanceExitedError(request.model, { how, code: exit.code, signal: child.foreignSignal, logTail: child.logTail() });
    throw explainStartFailure({ model: request.model, backend: this.backend, cause });
  }

  async #launch(plan: LaunchPlan, { onProgress, onReport }: StartOptions): Promise<LaunchedEngine> {
    const { context, request, readOutput } = this.#options;
    const telemetry = new EngineTelemetry(request.contextTokens);
    this.#telemetry = telemetry;
    const output = readOutput?.((fact) => telemetry.note(fact));
    try {
      return await launchEngine({
        ...(this.#options.followsInput === false ? tieToParent(plan.command, plan.args) : { command: plan.command, args: plan.args }),
        cwd: plan.cwd,
        env: { ...context.env, ...plan.env },
        records: context.records,
        onLine(line) {
          const read: OutputLine | undefined = output === undefined ? { text: line } : output.read(line);
          if (read !== undefined) logEngineLine(context.log, request.model, read);
          return read?.text;
        },
        onProgress,
        onReport,
      });
    } catch (error) {
      throw new RouterError("MODEL_LOAD_FAILED", `${plan.command} cannot be started: ${errorMessage(error)}`, { cause: error });
    }
  }
}
