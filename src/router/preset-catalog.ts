import { resolve } from "node:path";
import type { Catalog, CatalogEntry, ListOptions, ModelInspection, WriteOptions } from "../catalog/index.ts";
import {
  closeNames,
  type Deletion,
  type ModelEntry,
  type ModelFiles,
  type ModelId,
  type PullPlan,
  type PullRequest,
} from "../model/index.ts";
import type { PresetBook, PresetModel } from "./preset-book.ts";

/** A model of the preset file, as the catalog below knows it. */
interface PresetEntry {
  readonly entry: CatalogEntry;
  readonly model: PresetModel;
  /** The same model without the preset; undefined when it is not known. */
  readonly below: CatalogEntry | undefined;
}

/**
 * A catalog with the models of a preset file above another one's: they have names and aliases of their own or extend a model that is
 * there anyway. Without a book it is the other catalog.
 */
export class PresetCatalog implements Catalog {
  readonly #base: Catalog;
  #book: PresetBook | undefined;
  /** What became of each section the last time, so that an unchanged model stays the same object. */
  readonly #known = new Map<string, PresetEntry>();

  constructor(base: Catalog, book: PresetBook | undefined) {
    this.#base = base;
    this.#book = book;
  }

  get book(): PresetBook | undefined {
    return this.#book;
  }

  set book(book: PresetBook | undefined) {
    this.#book = book;
    this.#known.clear();
  }

  /** The section of a model, or what is said about all models; undefined without a preset file. */
  presetOf(id: string): Pick<PresetModel, "options" | "launch"> | undefined {
    return this.#ofId(id)?.model ?? this.#book?.shared;
  }

  /** Whether a model has a section of its own. */
  hasSection(id: string): boolean {
    return this.#ofId(id) !== undefined;
  }

  /** Whether the preset file calls a model so, by its section or an alias. */
  isNamed(name: string): boolean {
    return this.#named(name) !== undefined;
  }

  async list(options: ListOptions = {}): Promise<readonly CatalogEntry[]> {
    const entries = await this.#base.list(options);
    if (this.#book === undefined) return entries;
    const own = await Promise.all(this.#book.models.map(async (model) => await this.#entryOf(model)));
    const hidden = new Set([...own.map(({ entry }) => String(entry.id)), ...(await this.#duplicates())]);
    const shown = own.map(({ entry }) => entry).filter((entry) => options.all === true || entry.isDownloaded);
    return [...entries.filter(({ id }) => !hidden.has(id)), ...shown];
  }

  async find(id: string): Promise<CatalogEntry | undefined> {
    if (this.#book === undefined) return await this.#base.find(id);
    const named = this.#named(id);
    if (named !== undefined) return (await this.#entryOf(named)).entry;
    const entry = await this.#base.find(id);
    return entry === undefined ? undefined : (this.#ofId(entry.id)?.entry ?? entry);
  }

  async suggest(id: string): Promise<readonly string[]> {
    const names = (this.#book?.models ?? []).flatMap(({ section, launch }) => [canonicalName(section), ...launch.aliases]);
    return [...new Set([...closeNames(id, names), ...(await this.#base.suggest(id))])];
  }

  async locate(entry: ModelEntry): Promise<ModelFiles | undefined> {
    const preset = this.#ofId(entry.id);
    if (preset === undefined) return await this.#base.locate(entry);
    const files = preset.below === undefined ? undefined : await this.#base.locate(preset.below);
    if (files === undefined) return undefined;
    const { isProjectorOff, projectorPath } = preset.model.launch;
    if (isProjectorOff) return { model: files.model };
    return projectorPath === undefined ? files : { ...files, mmproj: resolve(projectorPath) };
  }

  async inspect(entry: ModelEntry): Promise<ModelInspection | undefined> {
    const below = this.#below(entry);
    return below && (await this.#base.inspect(below));
  }

  async pathsOf(entry: ModelEntry): Promise<readonly string[]> {
    const below = this.#below(entry);
    return below === undefined ? [] : await this.#base.pathsOf(below);
  }

  async deletionOf(entry: ModelEntry): Promise<Deletion> {
    return await this.#base.deletionOf(this.#below(entry) ?? entry);
  }

  async planPull(request: PullRequest): Promise<PullPlan & { readonly isHere: boolean }> {
    const checkpoint = this.#named(request.model)?.launch.checkpoint;
    return await this.#base.planPull(checkpoint === undefined ? request : { ...request, model: checkpoint });
  }

  async register(entry: ModelEntry, options?: WriteOptions): Promise<CatalogEntry> {
    return await this.#base.register(entry, options);
  }

  async unregister(id: string, options?: WriteOptions): Promise<boolean> {
    return await this.#base.unregister(id, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#base[Symbol.asyncDispose]();
  }

  #named(id: string): PresetModel | undefined {
    const models = this.#book?.models ?? [];
    return (
      models.find(({ section }) => section === id || canonicalName(section) === id) ??
      models.find(({ launch }) => launch.aliases.includes(id))
    );
  }

  #ofId(id: string): PresetEntry | undefined {
    for (const preset of this.#known.values()) if (preset.entry.id === id) return preset;
    return undefined;
  }

  #below(entry: ModelEntry): ModelEntry | undefined {
    const preset = this.#ofId(entry.id);
    return preset === undefined ? entry : preset.below;
  }

  async #entryOf(model: PresetModel): Promise<PresetEntry> {
    const { modelPath, checkpoint } = model.launch;
    const below = await this.#base.find(modelPath === undefined ? (checkpoint ?? model.section) : resolve(modelPath));
    const last = this.#known.get(model.section);
    if (last !== undefined && last.model === model && isSameEntry(last.below, below)) return last;
    const preset: PresetEntry = { model, below, entry: describe(model, below) };
    this.#known.set(model.section, preset);
    return preset;
  }

  /** Models of the cache that a preset shows under another name and wants to see once. */
  async #duplicates(): Promise<readonly string[]> {
    const checkpoints = (this.#book?.models ?? [])
      .filter(({ launch }) => launch.hidesCacheEntries)
      .flatMap(({ launch }) => [launch.checkpoint, launch.draftCheckpoint])
      .filter((checkpoint) => checkpoint !== undefined);
    const found = await Promise.all(checkpoints.map(async (checkpoint) => await this.#base.find(checkpoint)));
    return found.flatMap((entry) => (entry?.isDownloaded === true ? [String(entry.id)] : []));
  }
}

/** The name of a model that exists by its section alone: a tag behind a colon is in capitals, as in llama.cpp. */
function canonicalName(section: string): string {
  const colon = section.lastIndexOf(":");
  if (colon === -1) return section;
  const tag = section.slice(colon + 1);
  return section.slice(0, colon + 1) + (/[-.](\w+)$/.exec(tag)?.[1] ?? tag).toUpperCase();
}

function describe({ section, launch }: PresetModel, below: CatalogEntry | undefined): CatalogEntry {
  const { modelPath, checkpoint, projectorPath, isProjectorOff } = launch;
  const hasOwnFiles = modelPath !== undefined || checkpoint !== undefined;
  const id = (hasOwnFiles || below === undefined ? canonicalName(section) : below.id) as ModelId;
  const seesImages = !isProjectorOff && (projectorPath !== undefined || (below?.labels.includes("vision") ?? false));
  const labels = [...(below?.labels ?? []).filter((label) => label !== "vision"), ...launch.labels, ...(seesImages ? ["vision"] : [])];
  const unknown: CatalogEntry = {
    id,
    checkpoint: modelPath ?? checkpoint ?? section,
    recipe: "llamacpp",
    labels,
    source: "path",
    suggested: true,
    isDownloaded: false,
    isRunnable: true,
  };
  return { ...(below ?? unknown), id, labels: [...new Set(labels)] };
}

function isSameEntry(a: CatalogEntry | undefined, b: CatalogEntry | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
