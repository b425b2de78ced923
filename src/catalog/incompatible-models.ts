import { readdir, readFile, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { parseHubCheckpoint, repoFolder, repoOfFolder } from "../model/index.ts";
import type { Catalog } from "./catalog.ts";
import { folderBytes } from "./folder-bytes.ts";

/** The caches that Lemonade's models lie in. */
export interface ModelCaches {
  readonly cacheDir: string;
  readonly hubCacheDir: string;
}

/** A model for an older version of AMD's Ryzen AI software, which nothing of today runs. */
export interface IncompatibleModel {
  /** Absolute path of the folder that would be deleted. */
  readonly path: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly cache: "lemonade" | "huggingface";
}

export interface Cleanup {
  readonly removed: readonly IncompatibleModel[];
  readonly failed: readonly string[];
  /** Ids of user models that were registered for what is gone. */
  readonly unregistered: readonly string[];
}

/** Models prepared for this version say so under its name. */
const RYZEN_AI_VERSION = "1.6.0";

/** Looks through both caches; follows no links, so that whatever it finds lies inside them. */
export async function findIncompatibleModels({ cacheDir, hubCacheDir }: ModelCaches): Promise<readonly IncompatibleModel[]> {
  const found: Omit<IncompatibleModel, "sizeBytes">[] = [];
  const own = join(cacheDir, "oga_models");
  for (const model of await foldersIn(own)) {
    for (const variant of await foldersIn(join(own, model))) {
      const path = join(own, model, variant);
      if (await isIncompatible(path)) found.push({ path, name: `${model}/${variant}`, cache: "lemonade" });
    }
  }
  for (const folder of await foldersIn(hubCacheDir)) {
    const name = repoOfFolder(folder);
    if (name === undefined) continue;
    const path = join(hubCacheDir, folder);
    const commits = await foldersIn(join(path, "snapshots"));
    const verdicts = await Promise.all(commits.map(async (commit) => await isIncompatible(join(path, "snapshots", commit))));
    if (verdicts.includes(true)) found.push({ path, name, cache: "huggingface" });
  }
  return await Promise.all(found.map(async (model) => ({ ...model, sizeBytes: await folderBytes(model.path) })));
}

/** Deletes those of the named folders that are incompatible models, and nothing else whatever it is called. */
export async function removeIncompatibleModels(
  paths: readonly string[],
  { catalog, signal, ...caches }: ModelCaches & { catalog: Catalog; signal: AbortSignal },
): Promise<Cleanup> {
  const known = new Map((await findIncompatibleModels(caches)).map((model) => [model.path, model]));
  const [removed, failed]: [IncompatibleModel[], string[]] = [[], []];
  for (const path of new Set(paths)) {
    const model = known.get(resolve(path));
    const isGone = model !== undefined && (await remove(model.path));
    if (isGone) removed.push(model);
    else failed.push(path);
  }
  return { removed, failed, unregistered: await unregisterModelsOf(removed, { catalog, signal }) };
}

async function unregisterModelsOf(
  removed: readonly IncompatibleModel[],
  { catalog, signal }: { catalog: Catalog; signal: AbortSignal },
): Promise<string[]> {
  const folders = new Set(removed.filter(({ cache }) => cache === "huggingface").map(({ path }) => basename(path)));
  if (folders.size === 0) return [];
  const unregistered: string[] = [];
  for (const { id, source, checkpoint } of await catalog.list({ all: true, unsupported: true })) {
    const repo = parseHubCheckpoint(checkpoint)?.repo;
    if (source !== "user" || repo === undefined || !folders.has(repoFolder(repo))) continue;
    if (await catalog.unregister(id, { signal })) unregistered.push(id);
  }
  return unregistered;
}

async function remove(path: string): Promise<boolean> {
  return await rm(path, { recursive: true }).then(
    () => true,
    () => false,
  );
}

async function foldersIn(folder: string): Promise<string[]> {
  const items = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return items.filter((item) => item.isDirectory()).map((item) => item.name);
}

/** Only a file of Ryzen AI that names other versions makes a model incompatible; one that cannot be read does not. */
async function isIncompatible(folder: string): Promise<boolean> {
  const text = await readFile(join(folder, "rai_config.json"), "utf8").catch(() => undefined);
  if (text === undefined) return false;
  try {
    const { max_prompt_length: versions } = JSON.parse(text) as { max_prompt_length?: unknown };
    return typeof versions === "object" && versions !== null && !Array.isArray(versions) && !Object.hasOwn(versions, RYZEN_AI_VERSION);
  } catch {
    return false;
  }
}
