import { join, resolve } from "node:path";
import {
  fileNameOf,
  ggufStem,
  groupGgufFiles,
  leadingModel,
  projectorOf,
  projectorOfFolder,
  quantTag,
  type GgufGroup,
  type ListedFile,
  type ModelId,
} from "../model/index.ts";
import type { FoundModel } from "./catalog-entry.ts";
import { DirectoryCache, type DirectoryListing } from "./directory-cache.ts";
import { readKindLabels } from "./read-gguf.ts";

/** A model of a folder with the other names it answers to. */
interface NamedModel extends FoundModel {
  readonly aliases: readonly string[];
}

/**
 * The models in the folders given by `--models-dir`, named as llama-server names them: `NAME.gguf` is `NAME`, a sub-folder is one
 * model called like the folder, deeper levels are not read. Further quantisations in a sub-folder are `FOLDER:QUANT`. Every call
 * looks at the folders again, at the cost of one `stat` each while nothing changes; of equal names the first folder's wins.
 */
export class ModelsDirs {
  readonly #roots: readonly string[];
  readonly #listings = new DirectoryCache();
  readonly #namedModels = new WeakMap<DirectoryListing, Promise<readonly NamedModel[]>>();

  constructor(roots: readonly string[]) {
    this.#roots = roots.map((root) => resolve(root));
  }

  async list(): Promise<readonly FoundModel[]> {
    const found = new Map<string, FoundModel>();
    for (const root of this.#roots) {
      const listing = await this.#listings.read(root);
      if (!listing) continue;
      const folders = await Promise.all(listing.directories.map((name) => this.#folderModels(root, name)));
      for (const model of [...(await this.#fileModels(root, listing)), ...folders.flat()]) {
        if (!found.has(model.entry.id)) found.set(model.entry.id, model);
      }
    }
    return [...found.values()];
  }

  /** Reads the top folders and at most one sub-folder each, however many there are. */
  async find(id: string): Promise<FoundModel | undefined> {
    const colon = id.indexOf(":");
    const folder = colon < 0 ? id : id.slice(0, colon);
    for (const root of this.#roots) {
      const listing = await this.#listings.read(root);
      if (!listing) continue;
      const candidates = [...(await this.#fileModels(root, listing))];
      if (listing.directories.includes(folder)) candidates.push(...(await this.#folderModels(root, folder)));
      const model = candidates.find((m) => m.entry.id === id) ?? candidates.find((m) => m.aliases.includes(id));
      if (model) return model;
    }
    return undefined;
  }

  async #fileModels(root: string, listing: DirectoryListing): Promise<readonly NamedModel[]> {
    return await this.#once(listing, async () => {
      const grouped = groupGgufFiles(listing.files);
      return await Promise.all(
        grouped.models.map(async (group) => {
          const model = await describeModel(root, ggufStem(group.first), group, projectorOf(group, grouped));
          // The file name, as other servers call a model, and the stem of the first shard, as llama-server does.
          return { ...model, aliases: [fileNameOf(group.first), group.first.replace(/\.gguf$/i, "")] };
        }),
      );
    });
  }

  async #folderModels(root: string, name: string): Promise<readonly NamedModel[]> {
    if (name.startsWith(".")) return [];
    const listing = await this.#listings.read(join(root, name));
    if (!listing) return [];
    return await this.#once(listing, async () => {
      const grouped = groupGgufFiles(listing.files);
      const leader = leadingModel(grouped.models);
      const projector = projectorOfFolder(grouped);
      const tags = grouped.models.map((group) => quantTag(group.first));
      return await Promise.all(
        grouped.models.map(async (group, i) => {
          const tag = tags[i];
          const isUnique = tag !== undefined && tags.filter((other) => other === tag).length === 1;
          const qualified = `${name}:${isUnique ? tag : group.first}`;
          const isLeader = group === leader;
          const model = await describeModel(join(root, name), isLeader ? name : qualified, group, projector);
          return { ...model, aliases: [...(isLeader ? [qualified] : []), `${name}:${group.first}`] };
        }),
      );
    });
  }

  async #once(listing: DirectoryListing, make: () => Promise<readonly NamedModel[]>): Promise<readonly NamedModel[]> {
    let models = this.#namedModels.get(listing);
    if (!models) {
      models = make();
      this.#namedModels.set(listing, models);
    }
    return await models;
  }
}

/** A model that lies as files in one folder. */
export async function describeModel(folder: string, id: string, group: GgufGroup, projector: ListedFile | undefined): Promise<FoundModel> {
  const model = join(folder, group.first);
  const mmproj = projector && join(folder, projector.path);
  return {
    entry: {
      id: id as ModelId,
      checkpoint: model,
      recipe: "llamacpp",
      labels: [...readKindLabels(model), ...(projector ? ["vision"] : [])],
      source: "models-dir",
      suggested: true,
      sizeBytes: group.sizeBytes + (projector?.sizeBytes ?? 0),
      mmproj,
      isDownloaded: group.missing.length === 0,
      isRunnable: true,
    },
    paths: [...group.files.map((file) => join(folder, file.path)), ...(mmproj === undefined ? [] : [mmproj])],
    files: { model, mmproj },
  };
}
