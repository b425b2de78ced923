import type { Catalog, CatalogEntry } from "../catalog/index.ts";
import { sameOptions, type LoadOptions, type SavedOptions, type Settings } from "../config/index.ts";
import type { AnswerTimings } from "../dialects/index.ts";
import { errorMessage, RouterError } from "../errors.ts";
import { kindOfLabels, type ModelEntry, type ModelKind } from "../model/index.ts";
import type { Log } from "../platform/index.ts";
import { describeRequest, RequestStats } from "../telemetry/index.ts";
import { requireBackend } from "./require-backend.ts";
import type { Engines } from "./engines.ts";
import type { FakeTiming } from "./fake-timing.ts";
import type { DeletedModel } from "./delete-model.ts";
import { deleteNamed } from "./delete-named.ts";
import type { DeletionGate } from "./deletion-gate.ts";
import type { Lease } from "./lease.ts";
import { modelDetails, type ModelDetails } from "./model-details.ts";
import type { ModelEventFeed } from "./model-event-feed.ts";
import { notDownloaded, type LaunchDescription, type ModelLauncher } from "./model-launcher.ts";
import type { ModelLibrary } from "./model-library.ts";
import type { ModelRun } from "./model-run.ts";
import { failedStatus, statusOf, type ModelStatus } from "./model-status.ts";
import type { PresetBook } from "./preset-book.ts";
import type { PresetCatalog } from "./preset-catalog.ts";
import type { ResidencyLoop } from "./residency-loop.ts";
import type { AcquireOptions, LoadByHand, Router } from "./router.ts";

/** How long running requests may go on when the server shuts down, in milliseconds. */
const SHUTDOWN_DRAIN_MS = 10_000;

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

export interface RouterParts {
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

/** The router of this machine's engines. */
export class LocalRouter implements Router {
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
    requireBackend(entry);
    if (entry.isDownloaded || this.#loop.instances.some((instance) => instance.model === entry.id)) return entry;
    if (!mayDownload || entry.source === "path") {
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
