import { join } from "node:path";
import { childEnvironment, FlmProgram, type BackendContext } from "../backends/index.ts";
import { createCatalog, type Catalog, type CatalogEntry } from "../catalog/index.ts";
import { sameOptions, SavedOptions, type LoadOptions, type Settings } from "../config/index.ts";
import type { AnswerTimings } from "../dialects/index.ts";
import { errorMessage, RouterError } from "../errors.ts";
import { kindOfLabels, type ModelEntry, type ModelKind } from "../model/index.ts";
import { ProcessRecords, type Log } from "../platform/index.ts";
import { describeRequest, RequestStats } from "../telemetry/index.ts";
import { createBackendChooser } from "./choose-backend.ts";
import { createEngines, recipePlatform, type Engines, type RunningEngine } from "./engines.ts";
import { FakeTiming } from "./fake-timing.ts";
import type { DeletedModel } from "./delete-model.ts";
import { deleteNamed } from "./delete-named.ts";
import { DeletionGate } from "./deletion-gate.ts";
import type { Lease } from "./lease.ts";
import { modelDetails, withMemoryNumbers, type ModelDetails } from "./model-details.ts";
import { ModelEventFeed } from "./model-event-feed.ts";
import { ModelLauncher, notDownloaded, type LaunchDescription } from "./model-launcher.ts";
import { ModelLibrary } from "./model-library.ts";
import type { ModelRun } from "./model-run.ts";
import { failedStatus, statusOf, type ModelStatus } from "./model-status.ts";
import type { OwnModels } from "./own-models.ts";
import { readPresetBook, type PresetBook } from "./preset-book.ts";
import { PresetCatalog } from "./preset-catalog.ts";
import { ResidencyLoop } from "./residency-loop.ts";

export interface RouterOptions {
  readonly settings: Settings;
  readonly log: Log;
  /** What engines inherit, less the variables that llama.cpp reads as options. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface AcquireOptions {
  /** Aborted when the request is given up. */
  readonly signal: AbortSignal;
  /** What the model must be good for; undefined when any will do. */
  readonly kind?: ModelKind | undefined;
  /** Whether a model that is not here may be downloaded for this request. */
  readonly mayDownload?: boolean | undefined;
  /** Whether a model that is not loaded is loaded. Defaults to the server's setting. */
  readonly autoload?: boolean | undefined;
  /** A question about the model rather than a use of it: it does not count when the least recently used one is chosen. */
  readonly isPassive?: boolean | undefined;
}

export interface LoadByHand {
  /** Aborted when the load is given up. */
  readonly signal: AbortSignal;
  /** Wins over what is saved for the model, field by field. Whatever is loaded will do when nothing is asked for. */
  readonly load?: LoadOptions | undefined;
  /** Saves `load` for every later load, in the place of what was saved, once the model is loaded so; when nothing is asked for, forgets it. */
  readonly saves?: boolean | undefined;
}

/** How long running requests may go on when the server shuts down, in milliseconds. */
const SHUTDOWN_DRAIN_MS = 10_000;

/** The composition root: turns a model name into a lease on an engine, and owns every lifetime behind it. */
export interface Router extends AsyncDisposable {
  readonly catalog: Catalog;
  /** What the preset file says about models. */
  readonly presets: Pick<PresetCatalog, "presetOf" | "hasSection" | "isNamed">;
  /** What happens to models. */
  readonly events: Pick<ModelEventFeed, "follow">;
  /** Downloads, searches and the deletion of files. */
  readonly library: ModelLibrary;
  /** The engines of this machine, installed or not. */
  readonly engines: Engines;
  /** What requests cost, per model. */
  readonly stats: RequestStats;
  /** The entry of a model name. Rejects with MODEL_NOT_FOUND and close names; touches nothing else. */
  resolve(model: string): Promise<CatalogEntry>;
  /** What the files of a model say, and what it needs with a context of so many tokens (by default as many as a load reserves). */
  details(entry: CatalogEntry, options: { signal: AbortSignal; contextTokens?: number | undefined }): Promise<ModelDetails>;
  /** Waits until the model is loaded and hands out the right to send it one request. */
  acquire(model: string, options: AcquireOptions): Promise<Lease>;
  /** Loads a model, or loads it again when it runs with other options. Resolves to its entry and whether it was there already. */
  load(model: string, options: LoadByHand): Promise<{ entry: CatalogEntry; wasLoaded: boolean }>;
  /** What `load` has saved for a model. */
  savedOptionsOf(entry: ModelEntry): LoadOptions;
  /**
   * Begins to load a model and does not wait for it; the load goes on when no request wants it.
   * @throws {@link RouterError} `MODEL_LIMIT_REACHED` when every place is taken by a busy model, `INVALID_REQUEST` when it is loaded.
   */
  beginLoad(model: string, options: { signal: AbortSignal }): Promise<CatalogEntry>;
  /** Begins to load the models that the preset file wants loaded. */
  loadOnStartup(): Promise<void>;
  /** Reads the preset file again, unloads models that are gone or have other options now, and forgets failures. */
  reload(): Promise<void>;
  /** What a model does now, or how it last ended. */
  runOf(entry: CatalogEntry): ModelRun;
  /** How a model would be started. */
  describeLaunch(entry: CatalogEntry): Promise<LaunchDescription>;
  /** How many models may be loaded (0 for any number), and whether requests load them. */
  readonly limits: { readonly maxInstances: number; readonly isAutoloadOn: boolean };
  /** The build of llama.cpp, `b<build>-<commit>`. */
  buildInfo(): Promise<string>;
  /** Unloads one model, or all; requests in flight may finish for a while. Returns the names that were resident. */
  unload(model?: string): Promise<string[]>;
  /** Begins to unload a model that is loaded; what goes wrong then is in the log. */
  beginUnload(model: string): void;
  /**
   * Deletes the files of a model, unloading it first when asked to.
   * @throws {@link RouterError} `MODEL_IN_USE` when it is loaded, `MODEL_NOT_REGISTERED`, `MODEL_NOT_DELETABLE`.
   */
  /**
   * An answer is over: counts what it cost. Without figures of its own those count that the engine prints, a moment later.
   */
  noteAnswer(lease: Lease, timings: AnswerTimings | undefined): void;
  deleteModel(model: string, options: { signal: AbortSignal; unload: boolean }): Promise<DeletedModel>;
  /** Resident models, most recently used first, and then those whose last run failed. */
  status(): ModelStatus[];
  /** Requests that wait for a load or for a place. */
  readonly waitingCount: number;
  /** Ends every engine without asking; a `close` under way resolves the sooner. */
  kill(): void;
  /** Lets running requests finish up to a deadline, ends every engine. */
  close(options?: { drainMs?: number }): Promise<void>;
}

export async function createRouter({ settings, log, env }: RouterOptions): Promise<Router> {
  const records = new ProcessRecords(join(settings.runDir, "children"));
  for (const command of await records.reapLeftovers()) log.warning("router", `ended an engine left over by a killed server: ${command}`);
  const context: BackendContext = { log, records, env: childEnvironment(env) };
  const flm = new FlmProgram({ env: context.env, records });
  const running = (): readonly RunningEngine[] =>
    loop.instances.flatMap(({ model, server, prepared = server }) => (prepared ? [{ model, server: prepared }] : []));
  const engines = createEngines({ settings, log, env, flm, running, onChange: () => launcher.forget() });
  const chooseBackend = createBackendChooser({ settings, context, engines, flm });
  const readBook = async () => await presetBookOf(settings, async () => await (await chooseBackend(ANY_LLAMACPP)).help?.());
  const models = createCatalog({
    ...settings,
    platform: async () => await recipePlatform(engines, { settings, flm }),
    installedFlmTags: async () => await flm.installedTags(),
    warn: (message) => log.warning("catalog", message),
  });
  const catalog = new PresetCatalog(models, await readBook());
  const flmModels: OwnModels = {
    async pull(tag, { onFraction, ...options }) {
      await engines.ensureFlm(options.signal);
      const onLine = (line: string): void => {
        log.info(tag, line);
        const percent = /(\d+(?:\.\d+)?) ?%/.exec(line)?.[1];
        if (percent !== undefined) onFraction(Math.min(1, Number(percent) / 100));
      };
      await flm.pull(tag, { ...options, onLine });
    },
    remove: async (tag, signal) => await flm.remove(tag, signal),
  };
  const events = new ModelEventFeed();
  const downloadsDir = join(settings.cacheDir, "downloads");
  const library = new ModelLibrary({ catalog, log, env, flm: flmModels, downloadsDir, onEvent: events.emit });
  const saved = new SavedOptions(settings.cacheDir, { warn: (message) => log.warning("router", message) });
  const savedOptionsOf = ({ id }: ModelEntry) => saved.of(id);
  const launcher = new ModelLauncher({ catalog, chooseBackend, settings, savedOptionsOf });
  const timing = new FakeTiming(env);
  const gate = new DeletionGate();
  const loop = new ResidencyLoop({
    log,
    maxLoaded: settings.maxLoadedModels,
    maxTotal: settings.modelsMax || undefined,
    healthProbeMs: settings.healthProbeMs,
    idleUnloadMs: settings.idleUnloadMs,
    onEvent: events.emit,
    optionsOf: savedOptionsOf,
    drainMsOf: ({ id }) => catalog.presetOf(id)?.launch.stopTimeoutMs,
    async startEngine(entry, options, { onServer, ...start }) {
      await timing.beforeLoad(start.signal);
      await gate.pass(entry, start.signal);
      const server = await launcher.prepare(entry, options, start);
      onServer(server);
      try {
        await server.start(start);
        return server;
      } catch (error) {
        throw await withMemoryNumbers(error, catalog, { entry, contextTokens: launcher.contextTokensOf(entry, options) });
      }
    },
  });
  return new LocalRouter({ catalog, library, engines, gate, loop, launcher, saved, timing, events, readBook, settings, log });
}

const ANY_LLAMACPP: Parameters<ReturnType<typeof createBackendChooser>>[0] = { id: "any model", recipe: "llamacpp" };

/** Reads the preset file, if there is one. Rejects when more models shall be loaded at the start than may be. */
async function presetBookOf(settings: Settings, help: () => Promise<string | undefined>): Promise<PresetBook | undefined> {
  if (settings.modelsPreset === undefined) return undefined;
  const book = await readPresetBook(settings.modelsPreset, { help });
  const count = book.models.filter(({ launch }) => launch.isLoadedOnStartup).length;
  if (settings.modelsMax && count > settings.modelsMax) {
    throw new RouterError("CONFIG_INVALID", `number of models to load on startup (${count}) exceeds --models-max (${settings.modelsMax})`);
  }
  return book;
}

const USES: Readonly<Record<ModelKind, string>> = { text: "text generation", embedding: "embeddings", reranking: "reranking" };

function wrongKind({ id, labels }: ModelEntry, wanted: ModelKind): RouterError {
  const hint = wanted === "text" ? undefined : `A model serves that when it is registered with the label \`${USES[wanted]}\`.`;
  return new RouterError("WRONG_MODEL_KIND", `${id} is a model for ${USES[kindOfLabels(labels)]}, not for ${USES[wanted]}`, { hint });
}

/** Gives the lease back when its model is of another kind than wanted. */
function requireKind(lease: Lease, kind: ModelKind | undefined): Lease {
  if (kind === undefined || kindOfLabels(lease.entry.labels) === kind) return lease;
  lease.release();
  throw wrongKind(lease.entry, kind);
}

interface RouterParts {
  readonly catalog: PresetCatalog;
  readonly library: ModelLibrary;
  readonly engines: Engines;
  readonly gate: DeletionGate;
  readonly loop: ResidencyLoop;
  readonly launcher: ModelLauncher;
  readonly saved: SavedOptions;
  readonly timing: FakeTiming;
  readonly events: ModelEventFeed;
  readonly readBook: () => Promise<PresetBook | undefined>;
  readonly settings: Settings;
  readonly log: Log;
}

class LocalRouter implements Router {
  readonly catalog: Catalog;
  readonly presets: PresetCatalog;
  readonly library: ModelLibrary;
  readonly engines: Engines;
  readonly events: ModelEventFeed;
  readonly stats: RequestStats;
  readonly #gate: DeletionGate;
  readonly #loop: ResidencyLoop;
  readonly #launcher: ModelLauncher;
  readonly #saved: SavedOptions;
  readonly #timing: FakeTiming;
  readonly #readBook: RouterParts["readBook"];
  readonly #settings: Settings;
  readonly #log: Log;
  #reloading: Promise<void> | undefined;

  constructor(parts: RouterParts) {
    this.catalog = parts.catalog;
    this.presets = parts.catalog;
    this.library = parts.library;
    this.engines = parts.engines;
    this.events = parts.events;
    const { log } = parts;
    this.stats = new RequestStats({
      onRecord(request) {
        if (log.isEnabled("debug")) log.debug(request.model, describeRequest(request));
      },
    });
    this.#gate = parts.gate;
    this.#loop = parts.loop;
    this.#launcher = parts.launcher;
    this.#saved = parts.saved;
    this.#timing = parts.timing;
    this.#readBook = parts.readBook;
    this.#settings = parts.settings;
    this.#log = parts.log;
  }

  async details(entry: CatalogEntry, options: { signal: AbortSignal; contextTokens?: number | undefined }): Promise<ModelDetails> {
    const { signal, contextTokens = this.#launcher.contextTokensOf(entry, this.#saved.of(entry.id)) } = options;
    return await modelDetails(this, entry, { contextTokens, signal });
  }

  async resolve(model: string): Promise<CatalogEntry> {
    const entry = await this.catalog.find(model);
    if (entry !== undefined) return entry;
    const close = await this.catalog.suggest(model);
    const hint = close.length === 0 ? "`lemonade list` shows what there is." : `Did you mean ${close.join(" or ")}?`;
    throw new RouterError("MODEL_NOT_FOUND", `There is no model named ${JSON.stringify(model)}`, { hint });
  }

  async acquire(model: string, options: AcquireOptions): Promise<Lease> {
    const { signal, kind, mayDownload = false, autoload = this.#settings.isAutoloadOn, isPassive } = options;
    signal.throwIfAborted();
    const known = this.#loop.serveNow(model, { isPassive });
    if (known !== undefined) return await this.#timing.beforeRequest(requireKind(known, kind), signal);
    if (!autoload) await this.#requireLoaded(model);
    const entry = await this.#resolveForUse(model, { mayDownload, signal });
    if (kind !== undefined && kindOfLabels(entry.labels) !== kind) throw wrongKind(entry, kind);
    await this.#checkBeforeEviction(entry, this.#saved.of(entry.id), signal);
    const lease = await this.#loop.acquire(entry, { signal, isPassive });
    this.#loop.remember(model, entry);
    return await this.#timing.beforeRequest(lease, signal);
  }

  async #requireLoaded(model: string): Promise<void> {
    const { id } = await this.resolve(model);
    if (this.#loop.instances.some((instance) => instance.model === id && instance.state !== "stopping")) return;
    throw new RouterError("MODEL_NOT_LOADED", "model is not loaded", { hint: `Load ${id} first: this request shall not do it` });
  }

  async load(model: string, { signal, load = {}, saves = false }: LoadByHand): Promise<{ entry: CatalogEntry; wasLoaded: boolean }> {
    const entry = await this.#resolveForUse(model, { mayDownload: true, signal });
    this.#loop.forgive(entry.id);
    const isAnyGood = !saves && sameOptions(load, {});
    const options = saves ? load : { ...this.#saved.of(entry.id), ...load };
    const resident = this.#loop.instances.find((instance) => instance.model === entry.id);
    const isAsAsked = isAnyGood || (resident !== undefined && sameOptions(resident.options, options));
    if (resident === undefined) await this.#checkBeforeEviction(entry, options, signal);
    // Options that cannot work must not cost the engine that does.
    else if (!isAsAsked) await this.#launcher.prepare(entry, options, { signal });
    const lease = await this.#loop.acquire(entry, { signal, load: isAnyGood ? undefined : options });
    lease.release();
    if (saves) await this.#saved.save(entry.id, options);
    return { entry, wasLoaded: resident?.state === "ready" && isAsAsked };
  }

  savedOptionsOf(entry: ModelEntry): LoadOptions {
    return this.#saved.of(entry.id);
  }

  async beginLoad(model: string, { signal }: { signal: AbortSignal }): Promise<CatalogEntry> {
    const wanted = await this.resolve(model);
    if (!wanted.isDownloaded && wanted.source !== "path" && this.presets.isNamed(model)) {
      // The preset file says where it is: it is fetched first.
      const never = new AbortController().signal;
      this.load(model, { signal: never }).catch((error: unknown) => this.#log.error("router", errorMessage(error)));
      return wanted;
    }
    const entry = await this.#resolveForUse(model, { mayDownload: false, signal });
    if (this.#loop.instances.some((instance) => instance.model === entry.id)) {
      throw new RouterError("INVALID_REQUEST", "model is already running");
    }
    this.#loop.forgive(entry.id);
    await this.#checkBeforeEviction(entry, this.#saved.of(entry.id), signal);
    this.#loop.begin(entry); // Which asks once more: a call beside this one may have begun meanwhile.
    return entry;
  }

  async loadOnStartup(): Promise<void> {
    const never = new AbortController().signal;
    for (const { section, launch } of this.presets.book?.models ?? []) {
      if (!launch.isLoadedOnStartup) continue;
      await this.beginLoad(section, { signal: never }).catch((error: unknown) => {
        this.#log.error("router", `${section} is not loaded on startup: ${errorMessage(error)}`);
      });
    }
  }

  async reload(): Promise<void> {
    this.#reloading ??= this.#reload().finally(() => (this.#reloading = undefined));
    await this.#reloading;
  }

  async #reload(): Promise<void> {
    const optionsOf = (model: string) => JSON.stringify([...(this.presets.presetOf(model)?.options ?? [])]);
    const running = this.#loop.instances.map(({ model }) => ({ model, options: optionsOf(model) }));
    this.presets.book = await this.#readBook();
    this.#loop.forgetNames();
    this.#saved.read();
    this.#launcher.forget();
    const checks = running.map(async ({ model, options }) => {
      const entry = await this.catalog.find(model);
      if (entry?.isDownloaded === true && optionsOf(model) === options) return;
      this.#log.info("router", `${model} is gone or has other options now: unloading it`);
      await this.#loop.unload(model);
    });
    await Promise.all(checks);
    this.#loop.forgiveAll();
    this.events.emit({ kind: "reloaded" });
  }

  get limits(): Router["limits"] {
    const { modelsMax, maxLoadedModels, isAutoloadOn } = this.#settings;
    return { maxInstances: modelsMax ?? maxLoadedModels, isAutoloadOn };
  }

  runOf(entry: CatalogEntry): ModelRun {
    return this.#loop.runOf(entry);
  }

  async describeLaunch(entry: CatalogEntry): Promise<LaunchDescription> {
    return await this.#launcher.describe(entry);
  }

  async buildInfo(): Promise<string> {
    return await this.#launcher.buildInfo();
  }

  async unload(model?: string): Promise<string[]> {
    const entry = model === undefined ? undefined : await this.resolve(model);
    const names = this.#loop.instances.map((instance) => instance.model).filter((name) => entry === undefined || name === entry.id);
    await Promise.all(names.map((name) => this.#loop.unload(name)));
    return names;
  }

  beginUnload(model: string): void {
    this.unload(model).catch((error: unknown) => this.#log.error("router", `${model} is not unloaded: ${errorMessage(error)}`));
  }

  noteAnswer({ entry, telemetry }: Lease, timings: AnswerTimings | undefined): void {
    if (telemetry === undefined) return;
    const { answers, contextTokens } = telemetry;
    const record = (figures: AnswerTimings) => {
      this.stats.record({ model: entry.id, contextTokens, timeToFirstTokenMs: figures.promptMs, ...figures });
    };
    if (timings !== undefined) {
      answers.told(timings);
      record(timings);
    } else void answers.ofSilentAnswer().then((printed) => printed && record(printed));
  }

  get waitingCount(): number {
    return this.#loop.waitingCount;
  }

  status(): ModelStatus[] {
    const failed = this.#loop.failures().map(failedStatus);
    const contextTokensOf = this.#launcher.contextTokensOf.bind(this.#launcher);
    const running = this.#loop.instances.map((instance) => statusOf(instance, contextTokensOf));
    return [running, failed].flatMap((models) => models.toSorted((a, b) => b.lastUsedMs - a.lastUsedMs));
  }

  /** The entry of a model that can be loaded, or is: one whose files are not here must not evict another one before it fails. */
  async #resolveForUse(model: string, { mayDownload, signal }: { mayDownload: boolean; signal: AbortSignal }): Promise<CatalogEntry> {
    const entry = await this.resolve(model);
    if (entry.isDownloaded || this.#loop.instances.some((instance) => instance.model === entry.id)) return entry;
    const isOnHub = entry.source !== "path" && ["llamacpp", "flm"].includes(entry.recipe);
    if (!mayDownload || !isOnHub) {
      const error = notDownloaded(entry);
      if (this.presets.hasSection(entry.id)) this.#loop.refuse(entry, error);
      throw error;
    }
    await this.library.ensure(entry, signal);
    return await this.resolve(model);
  }

  async deleteModel(model: string, options: { signal: AbortSignal; unload: boolean }): Promise<DeletedModel> {
    const { catalog, library, events } = this;
    const deleted = await deleteNamed(model, { ...options, catalog, library, gate: this.#gate, loop: this.#loop });
    this.#loop.forget(deleted.id);
    events.emit({ kind: "deleted", model: deleted.id });
    return deleted;
  }

  /** A load that would evict another model is prepared once before: a damaged file must not cost a running engine its place. */
  async #checkBeforeEviction(entry: ModelEntry, load: LoadOptions, signal: AbortSignal): Promise<void> {
    const isResident = this.#loop.instances.some((instance) => instance.model === entry.id);
    if (isResident || this.#loop.hasPlace(kindOfLabels(entry.labels))) return;
    try {
      await this.#launcher.prepare(entry, load, { signal });
    } catch (error) {
      this.#loop.refuse(entry, error);
      throw error;
    }
  }

  kill(): void {
    this.#loop.kill();
  }

  async close({ drainMs = SHUTDOWN_DRAIN_MS }: { drainMs?: number } = {}): Promise<void> {
    await this.#loop.close(drainMs);
    this.events.close();
    await this.library[Symbol.asyncDispose]();
    await this.catalog[Symbol.asyncDispose]();
    await this.engines[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
