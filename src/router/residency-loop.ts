import { errorMessage, RouterError } from "../errors.ts";
import type { WrappedServer } from "../backends/index.ts";
import { sameOptions, type LoadOptions } from "../config/index.ts";
import { kindOfLabels, type ModelEntry, type ModelKind } from "../model/index.ts";
import { describeExit } from "../platform/index.ts";
import { decide, type Decision } from "../scheduling/index.ts";
import { CrashLedger } from "./crash-ledger.ts";
import { Instance, type Stop } from "./instance.ts";
import { Lease } from "./lease.ts";
import type { ModelRun } from "./model-run.ts";
import type { ResidencyOptions } from "./residency-options.ts";
import { ResidentNames } from "./resident-names.ts";
import { failureOf, hasExited, RunHistory, unexpectedExit, type FailedRun, type RunFailure } from "./run-history.ts";
import { queueFull, queueTimeout, WaitingLine, type Waiter } from "./waiting-line.ts";
import { watchHealth } from "./watch-health.ts";

type Limits = Readonly<Record<"queueTimeoutMs" | "maxWaiting" | "patienceMs" | "drainMs" | "healthProbeMs", number>>;

/**
 * The one loop that owns which models are resident: every event (a request comes or leaves, an engine is ready or gone, a lease ends)
 * runs `#pump`, which asks the pure `decide` about each waiting request in order of arrival and carries the decisions out.
 */
export class ResidencyLoop implements AsyncDisposable {
  readonly #options: ResidencyOptions & Limits;
  readonly #instances = new Map<string, Instance>();
  readonly #waiting = new WaitingLine();
  readonly #runs: RunHistory;
  /** What a resident model has been called by requests. */
  readonly #names = new ResidentNames();
  /** Models whose engine has ended by itself lately, by name. */
  readonly #crashes = new CrashLedger();
  /** How engines ran that have crashed: they come back like that. */
  readonly #comeback = new Map<string, LoadOptions>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(options: ResidencyOptions) {
    const { queueTimeoutMs = 600_000, maxWaiting = 1024, patienceMs = 5000, drainMs = 10_000, healthProbeMs = 10_000 } = options;
    this.#runs = new RunHistory(options.onEvent ?? (() => {}));
    this.#options = { ...options, queueTimeoutMs, maxWaiting, patienceMs, drainMs, healthProbeMs };
  }

  get instances(): readonly Instance[] {
    return [...this.#instances.values()];
  }

  /** What a model does now, or how it last ended. */
  runOf(entry: ModelEntry): ModelRun {
    return this.#runs.runOf(entry, { instance: this.#instances.get(entry.id), isWaitedFor: this.#waiting.isWaitedFor(entry.id) });
  }

  /** Whether a further model of this kind finds room without another one going. */
  hasPlace(kind: ModelKind): boolean {
    const { maxLoaded, maxTotal = Infinity } = this.#options;
    return this.#instances.size < maxTotal && this.instances.filter((instance) => instance.kind === kind).length < maxLoaded;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  /**
   * Waits until the model is loaded (loading it when needed) and hands out a lease. With `load` it is loaded anew when it runs with
   * other options: its requests may finish for a while, those that wait get the new engine. Rejects with the signal's reason when the
   * caller leaves; a load that nobody waits for any more is aborted.
   */
  async acquire(
    entry: ModelEntry,
    options: { signal: AbortSignal; load?: LoadOptions | undefined; isPassive?: boolean | undefined },
  ): Promise<Lease> {
    const { signal, load, isPassive = false } = options;
    signal.throwIfAborted();
    if (this.#isClosed) throw new RouterError("SHUTTING_DOWN", "The server is shutting down");
    if (this.#waiting.size >= this.#options.maxWaiting) throw queueFull(entry, this.#waiting.size);
    const waiter = this.#waiting.add({ entry, options: load, isPassive });
    const leave = () => this.#leave(waiter, signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    this.#pump();
    try {
      return await waiter.lease.promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  /**
   * A lease at once, under a name that the model had before while it was resident, whatever files have come or gone since; undefined
   * unless it is ready and nobody waits. Saves each request the look at the disk and the way through the queue.
   */
  serveNow(name: string, { isPassive = false }: { isPassive?: boolean | undefined } = {}): Lease | undefined {
    if (this.#waiting.size > 0 || this.#isClosed) return undefined;
    const instance = this.#names.get(name);
    return instance?.state === "ready" ? this.#lend(instance, isPassive) : undefined;
  }

  /** Notes a name that the model was just found by. */
  remember(name: string, { id }: ModelEntry): void {
    const instance = this.#instances.get(id);
    if (instance !== undefined) this.#names.add(name, instance);
  }

  forgetNames(): void {
    this.#names.clear();
  }

  /**
   * Begins to load a model that is not resident, without waiting and for nobody in particular: the load goes on when no request wants
   * it. Evicts idle models.
   * @throws {@link RouterError} `MODEL_LIMIT_REACHED` when every place is taken by a busy model, `INVALID_REQUEST` when it is resident.
   */
  begin(entry: ModelEntry): void {
    if (this.#isClosed) throw new RouterError("SHUTTING_DOWN", "The server is shutting down");
    if (this.#instances.has(entry.id)) throw new RouterError("INVALID_REQUEST", "model is already running");
    const wish = { model: entry.id, kind: kindOfLabels(entry.labels), waitedMs: 0 };
    const decision = decide(wish, this.instances, this.#options);
    if (decision.kind !== "load" && decision.kind !== "wait") {
      throw new RouterError("MODEL_LIMIT_REACHED", "model limit reached, try again later", {
        hint: "Every place is taken by a model that answers a request or is loading.",
      });
    }
    const leaving = this.instances.filter(({ state }) => decision.kind === "wait" && state === "stopping");
    const evicted = decision.kind === "load" ? this.#evict(decision.evict, entry) : leaving;
    void this.#load(entry, { evicted, isAskedFor: true });
  }

  /** Notes that a model cannot be loaded, which was found out before a place was looked for. */
  refuse(entry: ModelEntry, error: unknown): void {
    if (error instanceof RouterError) this.#runs.refused(entry, failureOf(error));
  }

  /** Forgets how the last runs ended. */
  forgiveAll(): void {
    this.#crashes.forgiveAll();
    this.#comeback.clear();
    this.#runs.forgive();
  }

  /** Models that are not resident because their last run ended by itself or never began. */
  failures(): readonly FailedRun[] {
    return this.#runs.failed().filter(({ entry }) => !this.#instances.has(entry.id));
  }

  /** Forgets everything about a model that is deleted. */
  forget(model: string): void {
    this.forgive(model);
    this.#runs.forget(model);
  }

  /** Forgets that the engine of a model crashed: somebody asks for it by hand. */
  forgive(model: string): void {
    this.#crashes.forgive(model);
    this.#comeback.delete(model);
  }

  /** Ends the engine of a model: its requests may finish for a while, new ones wait and load it again. */
  async unload(model: string): Promise<void> {
    const instance = this.#instances.get(model);
    if (instance === undefined) return;
    if (instance.state === "loading") {
      const unloaded = new RouterError("MODEL_LOAD_FAILED", `${model} was unloaded while it was loading`);
      this.#waiting.rejectAll(model, unloaded);
      instance.abortLoad(unloaded);
    } else {
      const error = new RouterError("MODEL_UNLOADED", `${model} was unloaded before the answer was complete`);
      this.#drain(instance, { error, mayAskAgain: false });
    }
    await instance.gone.promise;
  }

  /** Rejects all waiting requests, lets running ones finish for `drainMs`, ends every engine. */
  async close(drainMs: number): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const closing = new RouterError("SHUTTING_DOWN", "The server is shutting down");
    for (const waiter of this.#waiting) this.#waiting.reject(waiter, closing);
    const instances = this.instances;
    for (const instance of instances) {
      if (instance.state === "loading") instance.abortLoad(closing);
      else instance.stop(drainMs, { error: closing, mayAskAgain: false });
    }
    await Promise.all(instances.map(({ gone }) => gone.promise));
  }

  /** Ends every engine without asking: what waits for its end, such as `close`, is over soon. */
  kill(): void {
    for (const { server, prepared } of this.#instances.values()) (server ?? prepared)?.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0);
  }

  #pump(): void {
    if (this.#isClosed) return;
    const nowMs = Date.now();
    const contended = new Set<string>();
    for (const waiter of this.#waiting) {
      const { entry } = waiter;
      const waitedMs = nowMs - waiter.sinceMs;
      const wish = { model: entry.id, kind: kindOfLabels(entry.labels), waitedMs };
      const decision = decide(wish, this.instances, this.#options);
      // A model that must pause takes no place, so none is drained for it either.
      if ((decision.kind === "load" || decision.kind === "queue") && this.#isHeldBack(waiter, nowMs)) continue;
      if (decision.kind === "queue") contended.add(wish.kind);
      this.#carryOut(waiter, decision);
      if (this.#waiting.has(waiter) && waitedMs >= this.#options.queueTimeoutMs)
        this.#waiting.reject(waiter, queueTimeout(waiter, waitedMs));
    }
    // Whoever a model was drained for is served or gone: it takes requests again.
    for (const instance of this.#instances.values()) {
      const isContended = contended.has(instance.kind) || (contended.size > 0 && this.#options.maxTotal !== undefined);
      if (instance.state === "draining" && !isContended) {
        instance.state = "ready";
        this.#unloadLater(instance);
        if (this.#waiting.size > 0) queueMicrotask(() => this.#pump());
      }
    }
    this.#arm(nowMs);
  }

  /** Whether the engine of a model must pause after crashes in a row; after too many of them its requests are refused. */
  #isHeldBack(waiter: Waiter, nowMs: number): boolean {
    const holdBack = this.#crashes.holdBack(waiter.entry.id, nowMs);
    waiter.wakeMs = holdBack?.kind === "pause" ? holdBack.untilMs : undefined;
    if (holdBack?.kind === "pause") waiter.reason = holdBack.reason;
    if (holdBack?.kind === "refuse") this.#waiting.reject(waiter, holdBack.error);
    return holdBack !== undefined;
  }

  #carryOut(waiter: Waiter, decision: Decision): void {
    const own = this.#instances.get(waiter.entry.id);
    if (own !== undefined && waiter.options !== undefined && !sameOptions(own.options, waiter.options)) {
      this.#makeWay(own);
      waiter.reason = `${own.model} runs with other options and is ${own.state}`;
      return;
    }
    switch (decision.kind) {
      case "serve":
        if (own !== undefined) this.#serve(waiter, own);
        return;
      case "wait":
        waiter.reason = own === undefined ? "another model is being unloaded" : `${own.model} is ${own.state}`;
        return;
      case "load": {
        void this.#load(waiter.entry, { evicted: this.#evict(decision.evict, waiter.entry) });
        return;
      }
      case "queue": {
        waiter.reason = `every place is taken by a busy model (${decision.busy.join(", ")})`;
        const drained = decision.drain === undefined ? undefined : this.#instances.get(decision.drain);
        if (drained !== undefined) drained.state = "draining";
        return;
      }
      default:
        decision satisfies never;
    }
  }

  /** An engine ends for a load with other options, unless somebody waits for it who wants just these. */
  #makeWay(instance: Instance): void {
    if (instance.state === "ready" || instance.state === "draining") {
      const error = new RouterError("MODEL_UNLOADED", `${instance.model} was loaded with other options before the answer was complete`);
      this.#drain(instance, { error, mayAskAgain: true });
    }
    if (instance.state !== "loading") return;
    if (this.#waiting.wants(instance.model, instance.options)) return;
    instance.abortLoad(new Error("it is loaded with other options"));
  }

  #evict(models: readonly string[], wanted: ModelEntry): Instance[] {
    const evicted = models.map((model) => this.#instances.get(model)).filter((instance) => instance !== undefined);
    for (const instance of evicted) {
      this.#options.log.info("router", `evicting ${instance.model}, least recently used, for ${wanted.id}`);
      instance.stop(0);
    }
    return evicted;
  }

  #serve(waiter: Waiter, instance: Instance): void {
    this.#waiting.serve(waiter, this.#lend(instance, waiter.isPassive));
  }

  #lend(instance: Instance, isPassive: boolean): Lease {
    instance.begin(isPassive);
    return new Lease(instance, () => {
      instance.end(isPassive);
      if (this.#waiting.size > 0) this.#pump();
      this.#unloadLater(instance);
    });
  }

  async #load(entry: ModelEntry, { evicted, isAskedFor = false }: { evicted: readonly Instance[]; isAskedFor?: boolean }): Promise<void> {
    const { log } = this.#options;
    const asked = this.#waiting.wishFor(entry.id);
    const options = asked ?? this.#comeback.get(entry.id) ?? this.#options.optionsOf?.(entry) ?? {};
    this.#comeback.delete(entry.id);
    const instance = new Instance(entry, options, Date.now());
    instance.isAskedFor = isAskedFor;
    this.#instances.set(instance.model, instance);
    const startedMs = Date.now();
    try {
      await Promise.all(evicted.map(({ gone }) => gone.promise));
      instance.loadAbort.signal.throwIfAborted();
      log.info("router", `loading ${instance.model}`);
      this.#runs.began(instance);
      const server = await this.#options.startEngine(entry, options, {
        signal: instance.loadAbort.signal,
        onProgress: (progress) => this.#runs.progressed(instance, progress),
        onReport: (report) => this.#runs.reported(instance, report),
        onServer: (server) => (instance.prepared = server),
        makeRoom: async () => await this.#evictIdle(instance),
      });
      if (instance.loadAbort.signal.aborted) await server.stop(); // It was ready in the moment when nobody wanted it any more.
      instance.loadAbort.signal.throwIfAborted();
      instance.server = server;
      instance.state = "ready";
      this.#runs.loaded(instance);
      const { contextTokens, deviceBytes = {} } = server.telemetry;
      const memory = Object.entries(deviceBytes).map(([device, bytes]) => `, ${Math.round(bytes / 1e6)} MB on ${device}`);
      log.info(
        "router",
        `${instance.model} is ready on ${server.backend} (pid ${server.pid}) after ${Date.now() - startedMs} ms with ${contextTokens} tokens of context${memory.join("")}`,
      );
      this.#watch(instance, server);
      instance.lastUsedMs = Date.now();
      this.#unloadLater(instance);
    } catch (error) {
      // Requests that came after an abort wait for their own load; all others learn why this one failed.
      const isFailure = !instance.loadAbort.signal.aborted;
      if (isFailure) {
        log.error("router", errorMessage(error));
        // An engine that ended while it was loading will do so again, unless what it needs is held by others.
        if (hasExited(error)) this.#crashes.note(entry, { atMs: Date.now(), ranMs: 0, cause: errorMessage(error) });
        // Options that one asked for are not the fault of the others.
        this.#waiting.rejectAll(instance.model, error, asked);
      }
      this.#remove(instance, isFailure ? failureOf(error) : undefined);
      return;
    }
    this.#pump();
  }

  /** Ends every idle engine, of whatever kind, for one that found too little memory. */
  async #evictIdle(instance: Instance): Promise<boolean> {
    const idle = this.instances.filter((other) => other !== instance && other.state === "ready" && other.inFlight === 0);
    if (idle.length === 0) return false;
    const names = idle.map(({ model }) => model).join(", ");
    this.#options.log.warning("router", `${instance.model} found too little memory: evicting ${names} and trying once more`);
    for (const other of idle) other.stop(0);
    await Promise.all(idle.map(({ gone }) => gone.promise));
    return true;
  }

  /** Unloads a model that has had no request for as long as the setting says. */
  #unloadLater(instance: Instance): void {
    const { idleUnloadMs = Infinity, log } = this.#options;
    if (idleUnloadMs === Infinity) return;
    instance.whenIdleFor(idleUnloadMs, () => {
      log.info("router", `unloading ${instance.model}: no request for ${idleUnloadMs / 1000} s`);
      instance.stop(0);
    });
  }

  /** Notices the end of an engine at once, and one that hangs by its health. */
  #watch(instance: Instance, server: WrappedServer): void {
    const { log, healthProbeMs } = this.#options;
    const readyMs = Date.now();
    let hang = "";
    const onHang = (): void => {
      hang = "it did not answer its health probes and was killed";
      server.kill();
    };
    const stopWatching = watchHealth(instance, { log, intervalMs: healthProbeMs, onHang });
    void server.exited.then((exit) => {
      stopWatching();
      let failure: RunFailure | undefined;
      if (instance.state !== "stopping") {
        const cause = hang || describeExit(exit);
        log.error("router", `the engine of ${instance.model} ended unexpectedly (${cause}); the next request loads it again`);
        failure = unexpectedExit(exit.code, cause);
        this.#comeback.set(instance.model, instance.options);
        this.#crashes.note(instance.entry, { atMs: Date.now(), ranMs: Date.now() - readyMs, cause });
      }
      this.#remove(instance, failure);
    });
  }

  #drain(instance: Instance, why: Stop): void {
    instance.stop(this.#options.drainMsOf?.(instance.entry) ?? this.#options.drainMs, why);
  }

  #remove(instance: Instance, failure: RunFailure | undefined): void {
    if (this.#instances.get(instance.model) === instance) this.#instances.delete(instance.model);
    this.#names.forget(instance);
    instance.state = "stopping"; // Also one that crashed: nobody may take it for idle.
    this.#runs.ended(instance, failure);
    instance.gone.resolve();
    this.#pump();
  }

  #leave(waiter: Waiter, reason: unknown): void {
    if (!this.#waiting.has(waiter)) return;
    this.#waiting.reject(waiter, reason);
    const instance = this.#instances.get(waiter.entry.id);
    const isWanted = this.#waiting.isWaitedFor(waiter.entry.id);
    if (instance?.state === "loading" && !isWanted && !instance.isAskedFor) instance.abortLoad(reason);
    this.#pump();
  }

  /** Time alone changes three decisions: patience running out, the end of the wait, the end of a pause after a crash. */
  #arm(nowMs: number): void {
    clearTimeout(this.#timer);
    const { patienceMs, queueTimeoutMs } = this.#options;
    const moments = [...this.#waiting]
      .flatMap(({ sinceMs, wakeMs = 0 }) => [sinceMs + patienceMs, sinceMs + queueTimeoutMs, wakeMs])
      .filter((moment) => moment > nowMs);
    if (moments.length > 0) this.#timer = setTimeout(() => this.#pump(), Math.min(...moments) - nowMs);
  }
}
