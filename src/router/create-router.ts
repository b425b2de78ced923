import { join } from "node:path";
import { childEnvironment, FlmProgram, type BackendContext } from "../backends/index.ts";
import { createCatalog } from "../catalog/index.ts";
import { SavedOptions, type Settings } from "../config/index.ts";
import { RouterError } from "../errors.ts";
import type { ModelEntry } from "../model/index.ts";
import { importLater, Lazy, ProcessRecords, type Log } from "../platform/index.ts";
import type { BackendChooser } from "./choose-backend.ts";
import { createEngines, recipePlatform, type RunningEngine } from "./engines.ts";
import { FakeTiming } from "./fake-timing.ts";
import { DeletionGate } from "./deletion-gate.ts";
import { withMemoryNumbers } from "./model-details.ts";
import { ModelEventFeed } from "./model-event-feed.ts";
import { ModelLauncher } from "./model-launcher.ts";
import { ModelLibrary } from "./model-library.ts";
import type { OwnModels } from "./own-models.ts";
import { readPresetBook, type PresetBook } from "./preset-book.ts";
import { PresetCatalog } from "./preset-catalog.ts";
import { ResidencyLoop } from "./residency-loop.ts";
import { LocalRouter } from "./local-router.ts";
import type { Router } from "./router.ts";

export interface RouterOptions {
  readonly settings: Settings;
  readonly log: Log;
  /** What engines inherit, less the variables that llama.cpp reads as options. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The composition root: makes everything behind a router and hands it down. */
export async function createRouter({ settings, log, env }: RouterOptions): Promise<Router> {
  const records = new ProcessRecords(join(settings.runDir, "children"));
  for (const command of await records.reapLeftovers()) log.warning("router", `ended an engine left over by a killed server: ${command}`);
  const context: BackendContext = { log, records, env: childEnvironment(env) };
  const flm = new FlmProgram({ env: context.env, records });
  const running = (): readonly RunningEngine[] =>
    loop.instances.flatMap(({ model, server, prepared = server }) => (prepared ? [{ model, server: prepared }] : []));
  const engines = createEngines({ settings, log, env, flm, running, onChange: () => launcher.forget() });
  const chooser = new Lazy(async () => {
    const { createBackendChooser } = await importLater(() => import("./choose-backend.ts"));
    return createBackendChooser({ settings, context, engines, flm });
  });
  const chooseBackend: BackendChooser = async (...wish) => {
    const choose = await chooser.get();
    return await choose(...wish);
  };
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

const ANY_LLAMACPP: Parameters<BackendChooser>[0] = { id: "any model", recipe: "llamacpp" };

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
