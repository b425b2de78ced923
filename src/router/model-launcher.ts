import { resolve } from "node:path";
import type { StartOptions, WrappedServer } from "../backends/index.ts";
import type { CatalogEntry } from "../catalog/index.ts";
import type { LoadOptions, Settings } from "../config/index.ts";
import { RouterError } from "../errors.ts";
import type { ModelEntry, ModelFiles } from "../model/index.ts";
import type { PresetOptions } from "../model/presets/index.ts";
import type { BackendChooser } from "./choose-backend.ts";
import { launchRequest } from "./launch-request.ts";
import type { PresetCatalog } from "./preset-catalog.ts";

/** How a model would be started. */
export interface LaunchDescription {
  /** Program and arguments with port 0; empty when no engine is installed that could run it. */
  readonly commandLine: readonly string[];
  /** Its files and the options of its preset, by the names that a preset file uses. */
  readonly options: PresetOptions;
}

export interface ModelLauncherOptions {
  readonly catalog: PresetCatalog;
  readonly chooseBackend: BackendChooser;
  readonly settings: Settings;
  /** What the user has saved for a model. */
  readonly savedOptionsOf: (entry: ModelEntry) => LoadOptions;
}

/** Descriptions kept: as many as a long list of models has, so that a list that is asked for every moment stays cheap. */
const MAX_KEPT = 5000;

/** Puts together what a start needs: files, backend, options of the user and of presets. */
export class ModelLauncher {
  readonly #options: ModelLauncherOptions;
  readonly #described = new Map<string, Promise<LaunchDescription>>();

  constructor(options: ModelLauncherOptions) {
    this.#options = options;
  }

  /** Makes the engine of a model without starting it; rejects when files, backend or options are not in order. */
  async prepare(entry: ModelEntry, options: LoadOptions, start: Pick<StartOptions, "signal" | "onProgress">): Promise<WrappedServer> {
    const { catalog, chooseBackend } = this.#options;
    // FastFlowLM keeps its models itself.
    const files = entry.recipe === "flm" ? { model: entry.checkpoint } : await catalog.locate(entry);
    if (files === undefined) throw notDownloaded(entry);
    start.signal.throwIfAborted();
    const backend = await chooseBackend(entry, options.backend);
    if (options.args && entry.recipe !== "llamacpp") {
      throw new RouterError("CONFIG_INVALID", `${entry.id} runs on the engine ${backend.name}, which takes no arguments of llama-server`);
    }
    if (options.backend !== undefined && entry.recipe !== "llamacpp") {
      throw new RouterError("CONFIG_INVALID", `${entry.id} runs on the engine ${backend.name}: no build of llama.cpp can be chosen for it`);
    }
    return await backend.createServer(this.#requestFor(entry, files, options), start);
  }

  /** How many tokens of context a load of the model reserves. */
  contextTokensOf(entry: ModelEntry, options: LoadOptions): number {
    return this.#requestFor(entry, { model: "" }, options).contextTokens;
  }

  /** Starts, installs and reads nothing. */
  async describe(entry: CatalogEntry): Promise<LaunchDescription> {
    const key = JSON.stringify([entry, this.#options.savedOptionsOf(entry)]);
    let description = this.#described.get(key);
    if (description === undefined) {
      if (this.#described.size >= MAX_KEPT) this.#described.clear();
      description = this.#describe(entry);
      this.#described.set(key, description);
    }
    try {
      return await description;
    } catch {
      // A folder that cannot be read, or a build that does not even say its options, costs no list its other models. A load says why.
      this.#described.delete(key);
      return { options: new Map(), commandLine: [] };
    }
  }

  /** Descriptions are made anew: presets or engines may have changed. */
  forget(): void {
    this.#described.clear();
  }

  /** Which build of llama.cpp runs models here; a form that clients can read when none is installed, or it does not say. */
  async buildInfo(): Promise<string> {
    const said = this.#options.chooseBackend(ANY_MODEL).then(async (backend) => await backend.buildInfo());
    return (await said.catch(() => undefined)) ?? "b0-unknown";
  }

  async #describe(entry: CatalogEntry): Promise<LaunchDescription> {
    const { catalog, chooseBackend } = this.#options;
    const preset = catalog.presetOf(entry.id);
    const files = await this.#filesOf(entry);
    const options = new Map([
      ["model", files.model],
      ...(files.mmproj === undefined ? [] : [["mmproj", files.mmproj] as const]),
      ...(preset?.options ?? []),
    ]);
    if (!entry.isDownloaded && preset?.launch.modelPath === undefined) return { options, commandLine: [] };
    try {
      const saved = this.#options.savedOptionsOf(entry);
      const backend = await chooseBackend(entry, saved.backend);
      return { options, commandLine: (await backend.describeLaunch(this.#requestFor(entry, files, saved))) ?? [] };
    } catch (error) {
      if (error instanceof RouterError) return { options, commandLine: [] }; // A load would say what is wrong with it.
      throw error;
    }
  }

  /** Where the files are, or would be, without looking into them. */
  async #filesOf(entry: CatalogEntry): Promise<ModelFiles> {
    const { catalog } = this.#options;
    const { modelPath, projectorPath } = catalog.presetOf(entry.id)?.launch ?? {};
    // The built-in model is written when it is first needed: a list is no need.
    const paths = entry.isDownloaded && entry.source !== "builtin" ? await catalog.pathsOf(entry) : [];
    const model = paths[0] ?? (modelPath === undefined ? entry.checkpoint : resolve(modelPath));
    if (projectorPath !== undefined) return { model, mmproj: resolve(projectorPath) };
    return { model, mmproj: entry.mmproj !== undefined && entry.labels.includes("vision") ? paths.at(-1) : undefined };
  }

  #requestFor(entry: ModelEntry, files: ModelFiles, options: LoadOptions) {
    const { catalog, settings } = this.#options;
    return launchRequest(entry, { files, options, settings, preset: catalog.presetOf(entry.id)?.launch });
  }
}

const ANY_MODEL: Parameters<BackendChooser>[0] = { id: "any model", recipe: "llamacpp" };

export function notDownloaded({ id, source, checkpoint }: ModelEntry): RouterError {
  if (source === "path") return new RouterError("MODEL_NOT_DOWNLOADED", `The file ${checkpoint} of ${id} is not there`);
  return new RouterError("MODEL_NOT_DOWNLOADED", `The files of ${id} are not on this disk`, { hint: `Fetch them: lemonade pull ${id}` });
}
