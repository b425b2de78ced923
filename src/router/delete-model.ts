import { sep } from "node:path";
import type { Catalog, CatalogEntry } from "../catalog/index.ts";
import { RouterError } from "../errors.ts";
import type { DownloadJob, DownloadJobs } from "../hub/index.ts";
import {
  isGgufPath,
  parseHubCheckpoint,
  pathsOfVariant,
  repoFolder,
  selectVariant,
  snapshotPath,
  type ModelEntry,
} from "../model/index.ts";
import { importLater } from "../platform/index.ts";

export interface DeletedModel {
  readonly freedBytes: number;
  /** What is worth knowing about it, as a sentence without an end. */
  readonly note?: string | undefined;
}

export interface DeleteModelOptions {
  readonly catalog: Catalog;
  readonly jobs: DownloadJobs;
  readonly cacheDir: string;
  readonly signal: AbortSignal;
}

/** Throws `MODEL_NOT_DELETABLE` for a model whose files did not come from a hub. */
export function requireDeletable({ id, source, checkpoint }: CatalogEntry): void {
  if (source === "user") return;
  if (source !== "builtin" && source !== "models-dir" && source !== "path" && parseHubCheckpoint(checkpoint) !== undefined) return;
  throw new RouterError("MODEL_NOT_DELETABLE", `${id} is not in the cache of downloaded models (${source})`, {
    hint: source === "builtin" ? undefined : "Delete its file yourself.",
  });
}

/** Deletes a model of the hub: what has arrived of an unfinished download, the files that nobody else needs, the registration. */
export async function deleteModel(entry: CatalogEntry, { catalog, jobs, cacheDir, signal }: DeleteModelOptions): Promise<DeletedModel> {
  const repo = parseHubCheckpoint(entry.checkpoint)?.repo;
  const isRegistration = entry.source === "user";
  requireDeletable(entry);
  if (repo === undefined) {
    await catalog.unregister(entry.id, { signal });
    return { freedBytes: 0, note: `its file ${entry.checkpoint} is yours and stays` };
  }
  const wasArriving = await dropDownloads(entry, { repo, jobs });
  const { files, neededBy } = await catalog.deletionOf(entry);
  const { deleteFiles } = await importLater(() => import("../hub/index.ts"));
  if (files.length === 0 && !wasArriving && !isRegistration) {
    if (neededBy.length > 0) {
      throw new RouterError("MODEL_NOT_DELETABLE", `The files of ${entry.id} belong to ${neededBy.join(" and ")} too`, {
        hint: `Delete them by that name: lemonade delete ${neededBy.join(" ")}`,
      });
    }
    if (entry.source === "hub-cache") throw new RouterError("MODEL_NOT_REGISTERED", `Nothing of ${entry.id} is on this disk`);
  }
  const isWanted = (blob: string): boolean => jobs.wants(repo, blob);
  const { freedBytes } = await deleteFiles(repo, files, { cacheDir, signal, isWanted });
  if (isRegistration) await catalog.unregister(entry.id, { signal });
  if (neededBy.length > 0) return { freedBytes, note: `files stay that belong to ${neededBy.join(" and ")} too` };
  const wasGone = files.length === 0 && !wasArriving && freedBytes === 0;
  return { freedBytes, note: wasGone ? "its files were not here; they may have been manually deleted" : undefined };
}

/** Which of these models use a file that deleting `entry` would remove; it is one of them. */
export async function modelsUsing(entry: ModelEntry, models: readonly string[], catalog: Catalog): Promise<readonly string[]> {
  const repo = parseHubCheckpoint(entry.checkpoint)?.repo;
  if (models.length === 0 || repo === undefined) return models.filter((model) => model === entry.id);
  const going = new Set((await catalog.deletionOf(entry)).files.map(({ commit, path }) => `/${snapshotPath(repo, commit, path)}`));
  const isUsing = async (model: string): Promise<boolean> => {
    const used = await catalog.find(model);
    const paths = used ? await catalog.pathsOf(used) : [];
    return paths.some((path) => going.has(path.slice(path.lastIndexOf(`${sep}${repoFolder(repo)}${sep}`)).replaceAll(sep, "/")));
  };
  const uses = await Promise.all(models.map(async (model) => model === entry.id || (await isUsing(model))));
  return models.filter((_, i) => uses[i]);
}

/** Cancels the downloads of a model, or gives its part in them up when they are for another one too. Whether there were any. */
export async function dropDownloads(entry: ModelEntry, { repo, jobs }: { repo: string; jobs: DownloadJobs }): Promise<boolean> {
  let hadAny = false;
  await jobs.refresh();
  for (const { id, registers } of jobs.unfinished(repo).filter((job) => isFor(job, entry))) {
    const isForOthers = (await jobs.withdraw(id, entry.id)).length > 0;
    if (!isForOthers) await jobs.cancel(id);
    hadAny ||= !isForOthers || registers.some((registered) => registered.id === entry.id);
  }
  return hadAny;
}

function isFor({ stored, registers, set }: DownloadJob, entry: ModelEntry): boolean {
  if (stored.label === entry.id || registers.some(({ id }) => id === entry.id)) return true;
  const variant = parseHubCheckpoint(entry.checkpoint)?.variant;
  if (entry.recipe !== "llamacpp" || variant === undefined) return true;
  const choice = selectVariant(set.files, { variant, mmproj: entry.mmproj });
  const wanted = choice.kind === "files" ? pathsOfVariant(choice.files) : [];
  return wanted.length > 0 && set.files.every(({ path }) => !isGgufPath(path) || wanted.includes(path));
}
