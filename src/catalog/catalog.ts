import { stat } from "node:fs/promises";
import { closeNames, joinCheckpoint, parseHubCheckpoint, type ModelEntry, type ModelFiles, type ModelId } from "../model/index.ts";
import { BuiltinModels } from "./builtin-models.ts";
import type { CatalogEntry } from "./catalog-entry.ts";
import { ModelsDirs } from "./models-dirs.ts";
import { findPathModel, pathOfId, pathsOfModelsIn } from "./path-models.ts";

export interface CatalogOptions {
  /** Folder of `user_models.json` and of the built-in models. */
  readonly cacheDir: string;
  /** Root of the Hugging Face cache. */
  readonly hubCacheDir: string;
  /** Folders of GGUF files; of equal names the first folder's wins. */
  readonly modelsDirs: readonly string[];
}

export interface ListOptions {
  /** Also the models that are not on this disk. */
  readonly all?: boolean | undefined;
}

/** Answers which models exist. Looks at the disk each time, cheaply: changes made by others are seen by the next call. */
export interface Catalog {
  /** Every model that is here; with `all` also those that are not downloaded. */
  list(options?: ListOptions): Promise<readonly CatalogEntry[]>;
  /**
   * Exact lookup: a built-in name, registry name, `user.NAME`, a name from a models folder, a raw checkpoint (`org/repo[:VARIANT]`,
   * `hf.co/…`), the absolute or `./` path of a GGUF file or of a folder with one model. `undefined` when no such model can exist.
   * Never touches the network.
   */
  find(id: string): Promise<CatalogEntry | undefined>;
  /** Close names for "did you mean", best first. */
  suggest(id: string): Promise<readonly string[]>;
  /** The files on this disk, or `undefined` when not all of them are there. A built-in model is made on first use. */
  locate(entry: ModelEntry): Promise<ModelFiles | undefined>;
  [Symbol.asyncDispose](): Promise<void>;
}

export function createCatalog(options: CatalogOptions): Catalog {
  return new DiskCatalog(options);
}

class DiskCatalog implements Catalog {
  readonly #builtin: BuiltinModels;
  readonly #modelsDirs: ModelsDirs;

  constructor({ cacheDir, modelsDirs }: CatalogOptions) {
    this.#builtin = new BuiltinModels(cacheDir);
    this.#modelsDirs = new ModelsDirs(modelsDirs);
  }

  async list({ all = false }: ListOptions = {}): Promise<readonly CatalogEntry[]> {
    // What the user put into a folder comes before what the program brings: it hides equal names below it.
    const byId = new Map<string, CatalogEntry>();
    const found = await this.#modelsDirs.list();
    for (const entry of [...found.map((model) => model.entry), ...this.#builtin.list({ all })]) {
      if (!byId.has(entry.id) && (all || entry.isDownloaded)) byId.set(entry.id, entry);
    }
    return [...byId.values()];
  }

  async find(id: string): Promise<CatalogEntry | undefined> {
    const path = pathOfId(id);
    if (path !== undefined) return (await findPathModel(path))?.entry;
    const inFolder = await this.#modelsDirs.find(id);
    return inFolder?.entry ?? this.#builtin.find(id) ?? rawCheckpoint(id);
  }

  async suggest(id: string): Promise<readonly string[]> {
    const path = pathOfId(id);
    if (path !== undefined) return (await pathsOfModelsIn(path)).slice(0, 10);
    const known = await this.list({ all: true });
    return closeNames(
      id,
      known.map((entry) => entry.id),
    );
  }

  async locate(entry: ModelEntry): Promise<ModelFiles | undefined> {
    if (entry.source === "builtin") return await this.#builtin.locate(entry.id);
    if (entry.source !== "models-dir" && entry.source !== "path") return undefined;
    const found = await findPathModel(entry.checkpoint);
    if (!found?.entry.isDownloaded) return undefined;
    // The entry's own projector: a folder pairs by being one model's folder, which the path alone does not show.
    if (entry.mmproj !== undefined && !(await isFile(entry.mmproj))) return undefined;
    return { model: found.files.model, mmproj: entry.mmproj };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (facts) => facts.isFile(),
    () => false,
  );
}

function rawCheckpoint(id: string): CatalogEntry | undefined {
  const checkpoint = parseHubCheckpoint(id);
  if (!checkpoint) return undefined;
  const name = joinCheckpoint(checkpoint);
  return {
    id: name as ModelId,
    checkpoint: name,
    recipe: "llamacpp",
    labels: [],
    source: "hub-cache",
    suggested: false,
    isDownloaded: false,
  };
}
