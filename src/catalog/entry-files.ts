import { stat } from "node:fs/promises";
import { isAbsolute, join, relative } from "node:path";
import {
  isGgufPath,
  projectorOfFolder,
  groupGgufFiles,
  parseHubCheckpoint,
  shardPaths,
  type ModelEntry,
  type ModelFiles,
} from "../model/index.ts";
import type { CachedRepository, HubCache } from "./hub-cache.ts";
import { absolutePaths, type HubModels } from "./hub-models.ts";
import { findPathModel } from "./path-models.ts";
import { pathOfId } from "./path-of-id.ts";

/** The files of one model: what an engine is given, and all of them. */
export interface EntryFiles {
  readonly files: ModelFiles;
  /** Shards in order, projector last. */
  readonly paths: readonly string[];
}

type RepositoryLookup = (repo: string) => CachedRepository | undefined | Promise<CachedRepository | undefined>;

/** Finds the files of models that are known by their checkpoint: on the hub, in a folder of uploaded files, or at a path. */
export class EntryFilesFinder {
  readonly #root: string;
  readonly #cache: HubCache;
  readonly #models: HubModels;

  constructor(root: string, cache: HubCache, models: HubModels) {
    this.#root = root;
    this.#cache = cache;
    this.#models = models;
  }

  /**
   * The files of an entry, or `undefined` when not all of them are here.
   * @param repositoryOf - Where to look repositories up; lists bring their own, to look once at each.
   */
  async find(
    entry: ModelEntry,
    repositoryOf: RepositoryLookup = async (repo) => await this.#cache.repository(repo),
  ): Promise<EntryFiles | undefined> {
    if (entry.recipe === "flm") return undefined;
    if (entry.checkpoint.startsWith("models--")) return await this.#findUploaded(entry);
    const path = pathOfId(entry.checkpoint);
    if (path !== undefined) {
      const found = await findPathModel(path);
      return found?.entry.isDownloaded ? found : undefined;
    }
    const checkpoint = parseHubCheckpoint(entry.checkpoint);
    const repository = checkpoint && (await repositoryOf(checkpoint.repo));
    if (!repository) return undefined;
    if (entry.recipe !== "llamacpp") return wholeRepository(repository);
    const cached = this.#models.resolve(repository, { variant: checkpoint.variant, mmproj: entry.mmproj });
    if (!cached) return undefined;
    const { folder } = cached.snapshot;
    // A user's vision model may be registered without naming its projector.
    const projector =
      cached.files.mmproj ?? (entry.labels.includes("vision") ? projectorOfFolder(groupGgufFiles(cached.snapshot.files))?.path : undefined);
    const mmproj = projector === undefined ? undefined : join(folder, projector);
    const paths = new Set([...absolutePaths(cached), ...(mmproj === undefined ? [] : [mmproj])]);
    return { files: { model: join(folder, cached.files.primary), mmproj }, paths: [...paths] };
  }

  /** Uploaded files are registered by their path below the cache's root, on Windows with backslashes. */
  async #findUploaded({ checkpoint, mmproj }: ModelEntry): Promise<EntryFiles | undefined> {
    const inRoot = (path: string): string => (isAbsolute(path) ? path : join(this.#root, path.replaceAll("\\", "/")));
    const model = inRoot(checkpoint);
    if (relative(this.#root, model).startsWith("..")) return undefined;
    const shards = isGgufPath(model) ? shardPaths(model.replaceAll("\\", "/")) : [model];
    const projector = mmproj === undefined ? undefined : inRoot(mmproj);
    const paths = [...shards, ...(projector === undefined ? [] : [projector])];
    const areHere = await Promise.all(paths.map(async (path) => await exists(path)));
    return areHere.every(Boolean) ? { files: { model: shards[0] ?? model, mmproj: projector }, paths } : undefined;
  }
}

export const exists = async (path: string): Promise<boolean> =>
  await stat(path).then(
    () => true,
    () => false,
  );

/**
 * Models of other recipes are whole repositories, whose files are told by no name: a commit counts when the branch names it, which our
 * downloads have it do last.
 */
function wholeRepository({ main }: CachedRepository): EntryFiles | undefined {
  return main === undefined || main.isEmpty || main.isUnfinished ? undefined : { files: { model: main.folder }, paths: [main.folder] };
}
