import { basename, dirname, join } from "node:path";
import {
  ggufStem,
  groupGgufFiles,
  isGgufPath,
  projectorOf,
  projectorOfFolder,
  shardPaths,
  type GgufGroup,
  type ListedFile,
  type ModelId,
} from "../model/index.ts";
import type { FoundModel } from "./catalog-entry.ts";
import { DirectoryCache } from "./directory-cache.ts";
import { describeModel } from "./models-dirs.ts";

/**
 * The model at a path: a GGUF file (any shard stands for all), or a folder that holds exactly one model. Its id is the absolute path
 * of its first file, so that every spelling means one model. A projector beside it is taken along.
 */
export async function findPathModel(path: string): Promise<FoundModel | undefined> {
  return isGgufPath(path) ? ((await findFile(path)) ?? (await findFolder(path))) : await findFolder(path);
}

/** The GGUF files of a folder that holds several models and so stands for none of them. */
export async function pathsOfModelsIn(folder: string): Promise<readonly string[]> {
  const listing = await new DirectoryCache().read(folder);
  return listing ? groupGgufFiles(listing.files).models.map((group) => join(folder, group.first)) : [];
}

async function findFile(path: string): Promise<FoundModel | undefined> {
  const folder = dirname(path);
  const listing = await new DirectoryCache().read(folder);
  if (!listing) return undefined;
  const name = basename(path);
  const first = shardPaths(name)[0] ?? name;
  const grouped = groupGgufFiles(listing.files);
  const group = grouped.models.find((model) => model.first === first) ?? wholeFile(listing.files.find((file) => file.path === name));
  if (!group) return undefined;
  return asPathModel(await describeModel(folder, join(folder, group.first), group, projectorOf(group, grouped)));
}

/** A file that is no model by its name (a draft, a matrix) but was asked for by its path is taken as it is. */
function wholeFile(file: ListedFile | undefined): GgufGroup | undefined {
  return file && { stem: ggufStem(file.path), first: file.path, files: [file], missing: [], sizeBytes: file.sizeBytes };
}

async function findFolder(path: string): Promise<FoundModel | undefined> {
  const listing = await new DirectoryCache().read(path);
  if (!listing) return undefined;
  const grouped = groupGgufFiles(listing.files);
  const [group, ...others] = grouped.models;
  if (!group || others.length > 0) return undefined;
  return asPathModel(await describeModel(path, path, group, projectorOfFolder(grouped)));
}

function asPathModel(model: FoundModel): FoundModel {
  // One model, one id: the folder and the file in it must not be loaded side by side.
  return { ...model, entry: { ...model.entry, id: model.files.model as ModelId, source: "path" } };
}
