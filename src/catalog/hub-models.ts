import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import {
  groupGgufFiles,
  joinCheckpoint,
  listVariants,
  parseHubCheckpoint,
  pathsOfVariant,
  projectorOfFolder,
  selectComplete,
  type ModelEntry,
  type ModelId,
  type VariantFiles,
  type VariantQuery,
} from "../model/index.ts";
import type { FoundModel } from "./catalog-entry.ts";
import type { CachedRepository, CachedSnapshot, HubCache } from "./hub-cache.ts";
import { readKindLabels } from "./read-gguf.ts";

/** Describing reads the beginnings of files: between so many of them other work has its turn. */
const DESCRIBED_AT_ONCE = 64;

/** The files of a model in the cache. */
export interface CachedFiles {
  readonly snapshot: CachedSnapshot;
  readonly files: VariantFiles;
}

/** Which models the Hugging Face cache holds. Answers are kept for as long as a repository stays the same. */
export class HubModels {
  readonly #cache: HubCache;
  readonly #resolved = new WeakMap<CachedRepository, Map<string, CachedFiles | undefined>>();
  readonly #described = new WeakMap<CachedRepository, readonly FoundModel[]>();

  constructor(cache: HubCache) {
    this.#cache = cache;
  }

  /** The files of a checkpoint, when all of them are here. */
  resolve(repository: CachedRepository, query: VariantQuery): CachedFiles | undefined {
    let answers = this.#resolved.get(repository);
    if (!answers) this.#resolved.set(repository, (answers = new Map()));
    const key = `${query.variant ?? ""}\n${query.mmproj ?? ""}`;
    if (!answers.has(key)) answers.set(key, find(repository, query));
    return answers.get(key);
  }

  /** The models of a repository that are here, each under the shortest name that selects it. */
  describe(repository: CachedRepository): readonly FoundModel[] {
    let models = this.#described.get(repository);
    if (!models) this.#described.set(repository, (models = describeRepository(repository)));
    return models;
  }

  /** Every model in the cache. */
  async list(repositories: readonly CachedRepository[]): Promise<readonly FoundModel[]> {
    const found: FoundModel[] = [];
    let described = 0;
    for (const repository of repositories) {
      if (!this.#described.has(repository) && ++described % DESCRIBED_AT_ONCE === 0) await setImmediate();
      found.push(...this.describe(repository));
    }
    return found;
  }

  /**
   * The model that a raw checkpoint names: under its own name when it is here, so that two spellings are one model, else under the
   * name that was asked for. `undefined` for what cannot be a repository.
   */
  async find(id: string): Promise<FoundModel | ModelEntry | undefined> {
    const checkpoint = parseHubCheckpoint(id);
    if (!checkpoint) return undefined;
    const repository = await this.#cache.repository(checkpoint.repo);
    const cached = repository && this.resolve(repository, { variant: checkpoint.variant });
    if (repository && cached) {
      const path = join(cached.snapshot.folder, cached.files.primary);
      const model = this.describe(repository).find((candidate) => candidate.files.model === path);
      if (model) return model;
    }
    return rawEntry(joinCheckpoint(checkpoint));
  }
}

function rawEntry(checkpoint: string): ModelEntry {
  return { id: checkpoint as ModelId, checkpoint, recipe: "llamacpp", labels: [], source: "hub-cache", suggested: false };
}

function find(repository: CachedRepository, query: VariantQuery): CachedFiles | undefined {
  for (const snapshot of repository.snapshots) {
    const files = selectComplete(snapshot.files, query);
    if (files) return { snapshot, files };
  }
  return undefined;
}

function describeRepository({ repo, snapshots }: CachedRepository): readonly FoundModel[] {
  const found = new Map<string, FoundModel>();
  for (const snapshot of snapshots) {
    const grouped = groupGgufFiles(snapshot.files);
    const projector = projectorOfFolder(grouped);
    const mmproj = projector && join(snapshot.folder, projector.path);
    const incomplete = new Set(grouped.models.filter((model) => model.missing.length > 0).map((model) => model.first));
    for (const { variant, files, sizeBytes } of listVariants(snapshot.files, grouped)) {
      const [first] = files;
      const checkpoint = joinCheckpoint({ repo, variant });
      // What a newer commit has hides what an older one has under the same name.
      if (first === undefined || incomplete.has(first) || found.has(checkpoint)) continue;
      const model = join(snapshot.folder, first);
      found.set(checkpoint, {
        entry: {
          id: checkpoint as ModelId,
          checkpoint,
          recipe: "llamacpp",
          labels: [...readKindLabels(model), ...(projector ? ["vision"] : [])],
          source: "hub-cache",
          suggested: true,
          sizeBytes: sizeBytes + (projector?.sizeBytes ?? 0),
          mmproj: projector?.path,
          isDownloaded: true,
          isRunnable: true,
        },
        paths: [...files.map((file) => join(snapshot.folder, file)), ...(mmproj === undefined ? [] : [mmproj])],
        files: { model, mmproj },
      });
    }
  }
  return [...found.values()];
}

/** All files of a model in the cache, as absolute paths, projector last. */
export function absolutePaths({ snapshot, files }: CachedFiles): readonly string[] {
  return pathsOfVariant(files).map((path) => join(snapshot.folder, path));
}
