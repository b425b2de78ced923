import { resolve } from "node:path";
import type { StartOptions, WrappedServer } from "../backends/index.ts";
import type { CatalogEntry } from "../catalog/index.ts";
import { sameOptions, type LoadOptions, type Settings } from "../config/index.ts";
import { RouterError } from "../errors.ts";
import { kindOfLabels, type ModelEntry, type ModelFiles, type ModelId } from "../model/index.ts";
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

/** What the command lines of models that are started alike differ in. */
const BLANKS = { id: "\u0000id" as ModelId, model: "\u0000model", mmproj: "\u0000mmproj" };

/** Puts together what a start needs: files, backend, options of the user and of presets. */
export class ModelLauncher {
  readonly #options: ModelLauncherOptions;
  /** By entry: a list gives the same ones as long as nothing changes, so that one that is asked for every moment stays cheap. */
  #described = new WeakMap<CatalogEntry, { readonly saved: LoadOptions; readonly description: Promise<LaunchDescription> }>();
  /** Command lines with blanks, by what else they depend on. */
  readonly #forms = new Map<string, Promise<readonly string[]>>();

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
    const saved = this.#options.savedOptionsOf(entry);
    let known = this.#described.get(entry);
    if (known?.saved !== saved) this.#described.set(entry, (known = { saved, description: this.#describe(entry, saved) }));
    try {
      return await known.description;
    } catch {
      // A folder that cannot be read, or a build that does not even say its options, costs no list its other models. A load says why.
      this.#described.delete(entry);
      return { options: new Map(), commandLine: [] };
    }
  }

  /** Descriptions are made anew: presets or engines may have changed. */
  forget(): void {
    this.#described = new WeakMap();
    this.#forms.clear();
  }

  /** Which build of llama.cpp runs models here; a form that clients can read when none is installed, or it does not say. */
  async buildInfo(): Promise<string> {
    const said = this.#options.chooseBackend(ANY_MODEL).then(async (backend) => await backend.buildInfo());
    return (await said.catch(() => undefined)) ?? "b0-unknown";
  }

  async #describe(entry: CatalogEntry, saved: LoadOptions): Promise<LaunchDescription> {
    const { catalog } = this.#options;
    const preset = catalog.presetOf(entry.id);
    const files = await this.#filesOf(entry);
    const options = new Map([
      ["model", files.model],
      ...(files.mmproj === undefined ? [] : [["mmproj", files.mmproj] as const]),
      ...(preset?.options ?? []),
    ]);
    const wouldStart = entry.isDownloaded || preset?.launch.modelPath !== undefined;
    return { options, commandLine: wouldStart ? await this.#commandLineOf(entry, files, saved) : [] };
  }

  async #commandLineOf(entry: CatalogEntry, files: ModelFiles, saved: LoadOptions): Promise<readonly string[]> {
    const isAlike = sameOptions(saved, {}) && !this.#options.catalog.hasSection(entry.id);
    if (!isAlike) return await this.#askBackend(entry, files, saved);
    const form = await this.#formOf(entry, files);
    const filled = new Map<string, string>([
      [BLANKS.id, entry.id],
      [BLANKS.model, files.model],
      [BLANKS.mmproj, files.mmproj ?? ""],
    ]);
    return form.map((word) => filled.get(word) ?? word);
  }

  /** Asking the backend for each of thousands of models would look for its program each time. */
  async #formOf(entry: CatalogEntry, { mmproj }: ModelFiles): Promise<readonly string[]> {
    const key = `${entry.recipe} ${kindOfLabels(entry.labels)} ${mmproj !== undefined}`;
    let form = this.#forms.get(key);
    if (form === undefined) {
      const blank = { model: BLANKS.model, mmproj: mmproj === undefined ? undefined : BLANKS.mmproj };
      this.#forms.set(key, (form = this.#askBackend({ ...entry, id: BLANKS.id }, blank, {})));
      form.catch(() => this.#forms.delete(key));
    }
    return await form;
  }

  async #askBackend(entry: ModelEntry, files: ModelFiles, options: LoadOptions): Promise<readonly string[]> {
    try {
      const backend = await this.#options.chooseBackend(entry, options.backend);
      return (await backend.describeLaunch(this.#requestFor(entry, files, options))) ?? [];
    } catch (error) {
      if (error instanceof RouterError) return []; // A load would say what is wrong with it.
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
