import { join } from "node:path";
import { childEnvironment, FlmProgram, type BackendContext, type StartOptions, type WrappedServer } from "../backends/index.ts";
import { createCatalog, type Catalog, type CatalogEntry } from "../catalog/index.ts";
import type { Settings } from "../config/index.ts";
import { RouterError } from "../errors.ts";
import { kindOfLabels, type ModelEntry, type ModelKind } from "../model/index.ts";
import { ProcessRecords, type Log } from "../platform/index.ts";
import { describeRequest, RequestStats } from "../telemetry/index.ts";
import { createBackendChooser } from "./choose-backend.ts";
import { Engines, type RunningEngine } from "./engines.ts";
import type { LoadOptions } from "./instance.ts";
import type { Lease } from "./lease.ts";
import { modelDetails, withMemoryNumbers, type ModelDetails } from "./model-details.ts";
import { ModelLibrary, type OwnModels } from "./model-library.ts";
import { failedStatus, statusOf, type ModelStatus } from "./model-status.ts";
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

/** How long running requests may go on when the server shuts down, in milliseconds. */
const SHUTDOWN_DRAIN_MS = 10_000;

/** The composition root: turns a model name into a lease on an engine, and owns every lifetime behind it. */
export interface Router extends AsyncDisposable {
  readonly catalog: Catalog;
  /** Downloads, searches and the deletion of files. */
  readonly library: ModelLibrary;
  /** The engines of this machine, installed or not. */
  readonly engines: Engines;
  /** What requests cost, per model. */
  readonly stats: RequestStats;
  /** The entry of a model name. Rejects with MODEL_NOT_FOUND and close names; touches nothing else. */
  resolve(model: string): Promise<CatalogEntry>;
  /** What the files of a model say, and what it needs with a context of so many tokens (by default the server's setting). */
  details(entry: CatalogEntry, options?: { contextTokens?: number | undefined }): Promise<ModelDetails>;
  /** Waits until the model is loaded and hands out the right to send it one request. */
  acquire(model: string, options: AcquireOptions): Promise<Lease>;
  /** Loads a model, or loads it again when it runs with other options. Resolves to its entry and whether it was there already. */
  load(
    model: string,
    options: { signal: AbortSignal; load?: LoadOptions | undefined },
  ): Promise<{ entry: CatalogEntry; wasLoaded: boolean }>;
  /** Unloads one model, or all; requests in flight may finish for a while. Returns the names that were resident. */
  unload(model?: string): Promise<string[]>;
  /**
   * Deletes the files of a model, unloading it first when asked to. Returns the freed bytes.
   * @throws {@link RouterError} `MODEL_IN_USE` when it is loaded, `MODEL_NOT_REGISTERED`, `MODEL_NOT_DELETABLE`.
   */
  deleteModel(model: string, options: { signal: AbortSignal; unload: boolean }): Promise<number>;
  /** Resident models, most recently used first. */
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
  const running = (): readonly RunningEngine[] => loop.instances.flatMap(({ model, server }) => (server ? [{ model, server }] : []));
  const engines = new Engines({ settings, log, env, flm, running });
  const catalog = createCatalog({
    ...settings,
    platform: async () => await engines.platform(),
    installedFlmTags: async () => await flm.installedTags(),
    warn: (message) => log.warning("catalog", message),
  });
  const flmModels: OwnModels = {
    async pull(tag, options) {
      await engines.ensureFlm(options.signal);
      await flm.pull(tag, { ...options, onLine: (line) => log.info(tag, line) });
    },
    remove: async (tag, signal) => await flm.remove(tag, signal),
  };
  const library = new ModelLibrary({ catalog, log, env, flm: flmModels, downloadsDir: join(settings.cacheDir, "downloads") });
  const chooseBackend = createBackendChooser({ settings, context, engines, flm });
  const prepare: PrepareEngine = async (entry, options, start) => {
    const isFlm = entry.recipe === "flm";
    const files = isFlm ? { model: entry.checkpoint } : await catalog.locate(entry);
    if (files === undefined) {
      throw new RouterError("MODEL_NOT_DOWNLOADED", `The files of ${entry.id} are not on this disk`, {
        hint: `Fetch them: lemonade pull ${entry.id}`,
      });
    }
    start.signal.throwIfAborted();
    const backend = await chooseBackend(entry);
    const request = {
      model: entry.id,
      files,
      kind: kindOfLabels(entry.labels),
      contextTokens: options.contextTokens ?? settings.contextTokens,
      extraArgs: [...(isFlm ? [] : settings.llamacppArgs), ...(options.extraArgs ?? [])],
    };
    return await backend.createServer(request, start);
  };
  const loop = new ResidencyLoop({
    log,
    maxLoaded: settings.maxLoadedModels,
    healthProbeMs: settings.healthProbeMs,
    async startEngine(entry, options, { signal, onProgress }) {
      const server = await prepare(entry, options, { signal, onProgress });
      try {
        await server.start({ signal, onProgress });
        return server;
      } catch (error) {
        throw await withMemoryNumbers(error, catalog, { entry, contextTokens: options.contextTokens ?? settings.contextTokens });
      }
    },
  });
  return new LocalRouter({ catalog, library, engines, log, loop, prepare, settings });
}

/** Makes the engine of a model without starting it; rejects when files, backend or options are not in order. */
type PrepareEngine = (
  entry: ModelEntry,
  options: LoadOptions,
  start: Pick<StartOptions, "signal" | "onProgress">,
) => Promise<WrappedServer>;

function notDownloaded({ id }: ModelEntry): RouterError {
  return new RouterError("MODEL_NOT_DOWNLOADED", `The files of ${id} are not on this disk`, { hint: `Fetch them: lemonade pull ${id}` });
}

const USES: Readonly<Record<ModelKind, string>> = { text: "text generation", embedding: "embeddings", reranking: "reranking" };

function wrongKind({ id, labels }: ModelEntry, wanted: ModelKind): RouterError {
  const hint = wanted === "text" ? undefined : `A model serves that when it is registered with the label \`${USES[wanted]}\`.`;
  return new RouterError("WRONG_MODEL_KIND", `${id} is a model for ${USES[kindOfLabels(labels)]}, not for ${USES[wanted]}`, { hint });
}

class LocalRouter implements Router {
  readonly catalog: Catalog;
  readonly library: ModelLibrary;
  readonly engines: Engines;
  readonly stats: RequestStats;
  readonly #loop: ResidencyLoop;
  readonly #prepare: PrepareEngine;
  readonly #settings: Settings;

  constructor(parts: {
    catalog: Catalog;
    library: ModelLibrary;
    engines: Engines;
    log: Log;
    loop: ResidencyLoop;
    prepare: PrepareEngine;
    settings: Settings;
  }) {
    this.catalog = parts.catalog;
    this.library = parts.library;
    this.engines = parts.engines;
    this.stats = new RequestStats({ onRecord: (request) => parts.log.debug(request.model, describeRequest(request)) });
    this.#loop = parts.loop;
    this.#prepare = parts.prepare;
    this.#settings = parts.settings;
  }

  async details(entry: CatalogEntry, { contextTokens = this.#settings.contextTokens } = {}): Promise<ModelDetails> {
    return await modelDetails(this.catalog, entry, { contextTokens });
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
    if (!autoload) await this.#requireLoaded(model);
    const entry = await this.#resolveForUse(model, { mayDownload, signal });
    if (kind !== undefined && kindOfLabels(entry.labels) !== kind) throw wrongKind(entry, kind);
    await this.#checkBeforeEviction(entry, {}, signal);
    return await this.#loop.acquire(entry, { signal, isPassive });
  }

  async #requireLoaded(model: string): Promise<void> {
    const { id } = await this.resolve(model);
    if (this.#loop.instances.some((instance) => instance.model === id && instance.state !== "stopping")) return;
    throw new RouterError("MODEL_NOT_LOADED", "model is not loaded", { hint: `Load ${id} first: this request shall not do it` });
  }

  async load(
    model: string,
    { signal, load = {} }: { signal: AbortSignal; load?: LoadOptions | undefined },
  ): Promise<{ entry: CatalogEntry; wasLoaded: boolean }> {
    const entry = await this.#resolveForUse(model, { mayDownload: true, signal });
    this.#loop.forgive(entry.id);
    const resident = this.#loop.instances.find((instance) => instance.model === entry.id);
    const isAsAsked = Object.keys(load).length === 0 || JSON.stringify(resident?.options) === JSON.stringify(load);
    if (resident === undefined) await this.#checkBeforeEviction(entry, load, signal);
    else if (!isAsAsked) {
      await this.#prepare(entry, load, { signal }); // Options that cannot work must not cost the engine that does.
      await this.#loop.unload(entry.id);
    }
    const lease = await this.#loop.acquire(entry, { signal, load });
    lease.release();
    return { entry, wasLoaded: resident?.state === "ready" && isAsAsked };
  }

  async unload(model?: string): Promise<string[]> {
    const entry = model === undefined ? undefined : await this.resolve(model);
    const names = this.#loop.instances.map((instance) => instance.model).filter((name) => entry === undefined || name === entry.id);
    await Promise.all(names.map((name) => this.#loop.unload(name)));
    return names;
  }

  get waitingCount(): number {
    return this.#loop.waitingCount;
  }

  status(): ModelStatus[] {
    const failed = this.#loop.failures().map(({ entry, history }) => failedStatus(entry, history));
    return [...this.#loop.instances.map(statusOf), ...failed].toSorted((a, b) => b.lastUsedMs - a.lastUsedMs);
  }

  /** The entry of a model that can be loaded, or is: one whose files are not here must not evict another one before it fails. */
  async #resolveForUse(model: string, { mayDownload, signal }: { mayDownload: boolean; signal: AbortSignal }): Promise<CatalogEntry> {
    const entry = await this.resolve(model);
    if (entry.isDownloaded || this.#loop.instances.some((instance) => instance.model === entry.id)) return entry;
    if (!mayDownload || !["llamacpp", "flm"].includes(entry.recipe)) throw notDownloaded(entry);
    await this.library.ensure(entry, signal);
    return await this.resolve(model);
  }

  async deleteModel(model: string, { signal, unload }: { signal: AbortSignal; unload: boolean }): Promise<number> {
    const entry = await this.catalog.find(model);
    if (entry === undefined) throw new RouterError("MODEL_NOT_REGISTERED", `There is no model named ${JSON.stringify(model)} to delete`);
    if (this.#loop.instances.some((instance) => instance.model === entry.id)) {
      if (!unload)
        throw new RouterError("MODEL_IN_USE", `${entry.id} is loaded`, {
          hint: "Unload it first, or delete it with `unload` (lemonade delete --unload).",
        });
      await this.#loop.unload(entry.id);
    }
    return (await this.library.delete(entry, signal)).freedBytes;
  }

  /** A load that would evict another model is prepared once before: a damaged file must not cost a running engine its place. */
  async #checkBeforeEviction(entry: ModelEntry, load: LoadOptions, signal: AbortSignal): Promise<void> {
    const isResident = this.#loop.instances.some((instance) => instance.model === entry.id);
    if (!isResident && !this.#loop.hasPlace(kindOfLabels(entry.labels))) await this.#prepare(entry, load, { signal });
  }

  kill(): void {
    this.#loop.kill();
  }

  async close({ drainMs = SHUTDOWN_DRAIN_MS }: { drainMs?: number } = {}): Promise<void> {
    await this.#loop.close(drainMs);
    await this.library[Symbol.asyncDispose]();
    await this.catalog[Symbol.asyncDispose]();
    await this.engines[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
