import { stat } from "node:fs/promises";
import { RouterError } from "../errors.ts";
import {
  asNamed,
  closeNames,
  deletableFiles,
  isRecipeRunnable,
  parseHubCheckpoint,
  planPull,
  registrationFields,
  type Deletion,
  type ModelEntry,
  type ModelFiles,
  type PullPlan,
  type PullRequest,
  type RecipePlatform,
} from "../model/index.ts";
import { Lazy } from "../platform/index.ts";
import { BuiltinModels } from "./builtin-models.ts";
import type { Catalog, CatalogOptions, ListOptions, ModelInspection, WriteOptions } from "./catalog.ts";
import type { CatalogEntry, FoundModel } from "./catalog-entry.ts";
import { EntryFilesFinder, type EntryFiles } from "./entry-files.ts";
import { HubCache, type CachedRepository } from "./hub-cache.ts";
import { HubModels } from "./hub-models.ts";
import { LearnedLabels } from "./learned-labels.ts";
import { ModelsDirs } from "./models-dirs.ts";
import { findPathModel, pathsOfModelsIn } from "./path-models.ts";
import { pathOfId } from "./path-of-id.ts";
import { FactsCache, readGgufHeader } from "./read-gguf.ts";
import { loadRegistry, type Registry } from "./registry.ts";
import { USER_PREFIX, UserModels } from "./user-models.ts";

/** Everything that a list is made of; while none of it is replaced, the list stays the same. */
interface ListInputs {
  readonly registry: Registry;
  readonly user: ReadonlyMap<string, ModelEntry>;
  readonly inFolders: readonly FoundModel[];
  readonly repositories: readonly CachedRepository[];
  readonly flmTags: ReadonlySet<string>;
  readonly labelsVersion: number;
}

const NO_TAGS: ReadonlySet<string> = new Set();

const thisSystem = async (): Promise<RecipePlatform> => ({ os: process.platform, hasNpu: false });

/** Everything that a catalog does. Loaded by `createCatalog` at the first question. */
export class DiskCatalog implements Catalog {
  readonly #options: CatalogOptions;
  readonly #builtin: BuiltinModels;
  readonly #modelsDirs: ModelsDirs;
  readonly #user: UserModels;
  readonly #hub: HubCache;
  readonly #hubModels: HubModels;
  readonly #entryFiles: EntryFilesFinder;
  readonly #facts = new FactsCache();
  readonly #labels = new LearnedLabels();
  readonly #registry: Lazy<Registry>;
  readonly #platform: Lazy<RecipePlatform>;
  /** Files of the entries of the last lists, as they were then: whoever asks for all of them does not look at each again. */
  readonly #listedPaths = new WeakMap<ModelEntry, readonly string[]>();
  #listed: { readonly inputs: ListInputs; readonly entries: readonly CatalogEntry[] } | undefined;

  constructor(options: CatalogOptions) {
    const { cacheDir, hubCacheDir, modelsDirs, registryFile, warn = () => {}, platform = thisSystem } = options;
    this.#options = options;
    this.#registry = new Lazy(async () => await loadRegistry(registryFile));
    this.#platform = new Lazy(platform);
    this.#builtin = new BuiltinModels(cacheDir);
    this.#modelsDirs = new ModelsDirs(modelsDirs);
    this.#user = new UserModels(cacheDir, warn);
    this.#hub = new HubCache(hubCacheDir);
    this.#hubModels = new HubModels(this.#hub);
    this.#entryFiles = new EntryFilesFinder(hubCacheDir, this.#hub, this.#hubModels);
  }

  async list({ all = false, unsupported = false }: ListOptions = {}): Promise<readonly CatalogEntry[]> {
    const entries = await this.#everything();
    return entries.filter((entry) => (all || entry.isDownloaded) && (unsupported || (entry.isRunnable && !this.#builtin.isHidden(entry))));
  }

  async #everything(): Promise<readonly CatalogEntry[]> {
    const inputs = await this.#readInputs();
    const last = this.#listed;
    if (last && isSameInput(last.inputs, inputs)) return last.entries;
    const entries = await this.#merge(inputs);
    this.#listed = { inputs, entries };
    return entries;
  }

  async #readInputs(): Promise<ListInputs> {
    const [registry, user, inFolders, repositories, flmTags] = await Promise.all([
      this.#registry.get(),
      this.#user.load(),
      this.#modelsDirs.list(),
      this.#hub.list(),
      this.#options.installedFlmTags?.() ?? NO_TAGS,
    ]);
    return { registry, user, inFolders, repositories, flmTags, labelsVersion: this.#labels.version };
  }

  async #merge({ registry, user, inFolders, repositories, flmTags }: ListInputs): Promise<readonly CatalogEntry[]> {
    const byRepo = new Map(repositories.map((repository) => [repository.repo, repository]));
    const byId = new Map<string, CatalogEntry>();
    const add = (entry: CatalogEntry): void => void (byId.has(entry.id) || byId.set(entry.id, entry));
    // What the user put into a folder comes before what the program brings: it hides equal names below it.
    for (const model of inFolders) add(this.#labels.describe(model));
    for (const entry of this.#builtin.list()) add(entry);
    const registered = new Set<string>();
    for (const entry of [...registry.byId.values(), ...user.values()]) {
      const found = await this.#entryFiles.find(entry, (repo) => byRepo.get(repo));
      for (const path of found?.paths ?? []) registered.add(path);
      const complete = await this.#complete(entry, found, flmTags);
      if (found) this.#listedPaths.set(complete, found.paths);
      add(complete);
    }
    // A file that a registered model uses is listed under that model's name only.
    for (const model of await this.#hubModels.list(repositories)) {
      if (registered.has(model.files.model)) continue;
      const described = this.#labels.describe(model);
      this.#listedPaths.set(described, model.paths);
      add(described);
    }
    return [...byId.values()];
  }

  async #complete(entry: ModelEntry, found: EntryFiles | undefined, flmTags: ReadonlySet<string>): Promise<CatalogEntry> {
    const platform = await this.#platform.get();
    return {
      ...entry,
      isDownloaded: entry.recipe === "flm" ? flmTags.has(entry.checkpoint) : found !== undefined,
      // Our downloads know one hub.
      isRunnable: isRecipeRunnable(entry.recipe, platform) && (entry.hub === undefined || found !== undefined),
    };
  }

  async find(id: string): Promise<CatalogEntry | undefined> {
    const path = pathOfId(id);
    if (path !== undefined) {
      const found = await findPathModel(path);
      return found && this.#labels.describe(found);
    }
    // Side by side: each of them waits for the disk, and this runs before every request.
    const [inFolder, named] = await Promise.all([this.#modelsDirs.find(id), this.#builtin.find(id) ?? this.#findNamed(id)]);
    return inFolder ? this.#labels.describe(inFolder) : named;
  }

  async #findNamed(id: string): Promise<CatalogEntry | undefined> {
    const registry = await this.#registry.get();
    const registered = registry.byId.get(id) ?? (id.startsWith(USER_PREFIX) ? (await this.#user.load()).get(id) : undefined);
    return registered ? await this.#describe(registered) : await this.#findCheckpoint(id, registry);
  }

  async #findCheckpoint(id: string, registry: Registry): Promise<CatalogEntry | undefined> {
    const raw = await this.#hubModels.find(id);
    // The registry knows more about its checkpoints (labels, projector), and one model has one name.
    const checkpoint = raw === undefined ? id : "entry" in raw ? raw.entry.checkpoint : raw.checkpoint;
    const known = registry.byCheckpoint.get(checkpoint) ?? registry.byCheckpoint.get(id);
    if (known) return await this.#describe(known);
    if (raw === undefined) return undefined;
    return "entry" in raw ? this.#labels.describe(raw) : { ...raw, isDownloaded: false, isRunnable: true };
  }

  async #describe(entry: ModelEntry): Promise<CatalogEntry> {
    const flmTags = entry.recipe === "flm" ? ((await this.#options.installedFlmTags?.()) ?? NO_TAGS) : NO_TAGS;
    return await this.#complete(entry, await this.#entryFiles.find(entry), flmTags);
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
    const found = await this.#filesOf(entry);
    if (!found) return undefined;
    // An engine would say the same less clearly, and after a second of loading.
    return (await this.#readFacts(found)) ? found.files : undefined;
  }

  async inspect(entry: ModelEntry): Promise<ModelInspection | undefined> {
    const found = await this.#filesOf(entry);
    const facts = found && (await this.#readFacts(found));
    if (!found || !facts) return undefined;
    const files = await Promise.all(found.paths.map(async (path) => ({ path, sizeBytes: (await stat(path)).size })));
    const projectorBytes = files.find(({ path }) => path === found.files.mmproj)?.sizeBytes ?? 0;
    return { facts, files, projectorBytes };
  }

  async pathsOf(entry: ModelEntry): Promise<readonly string[]> {
    const listed = this.#listedPaths.get(entry);
    if (listed) return listed;
    const isRegistered = entry.source === "registry" || entry.source === "user";
    const found = isRegistered ? await this.#entryFiles.find(entry) : await this.#filesOf(entry);
    return found?.paths ?? [];
  }

  async #filesOf(entry: ModelEntry): Promise<EntryFiles | undefined> {
    if (entry.source === "builtin") {
      const files = await this.#builtin.locate(entry.id);
      return files && { files, paths: [files.model] };
    }
    if (entry.source === "registry" || entry.source === "user") {
      return entry.recipe === "llamacpp" ? await this.#entryFiles.find(entry) : undefined;
    }
    if (entry.source === "hub-cache") {
      const raw = await this.#hubModels.find(entry.checkpoint);
      return raw && "entry" in raw ? raw : undefined;
    }
    const found = await findPathModel(entry.checkpoint);
    if (!found?.entry.isDownloaded) return undefined;
    // The entry's own projector: a folder pairs by being one model's folder, which the path alone does not show.
    const { mmproj } = entry;
    const shards = found.paths.filter((path) => path !== found.files.mmproj);
    return { files: { model: found.files.model, mmproj }, paths: mmproj === undefined ? shards : [...shards, mmproj] };
  }

  /** `undefined` when a file has gone since it was found. */
  async #readFacts({ files, paths }: EntryFiles): Promise<ModelInspection["facts"] | undefined> {
    const [first = files.model, ...others] = paths.filter((path) => path !== files.mmproj);
    try {
      if (files.mmproj !== undefined) await readGgufHeader(files.mmproj);
      const facts = await this.#facts.read([first, ...others]);
      this.#labels.learn(files.model, facts);
      return facts;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  async deletionOf(entry: ModelEntry): Promise<Deletion> {
    const repo = parseHubCheckpoint(entry.checkpoint)?.repo;
    if (repo === undefined) return { files: [], neededBy: [] };
    const [registry, user, snapshots] = await Promise.all([this.#registry.get(), this.#user.load(), this.#hub.everyFile(repo)]);
    const registered = [...registry.byId.values(), ...user.values()];
    const others = registered.filter((other) => parseHubCheckpoint(other.checkpoint)?.repo === repo);
    return deletableFiles(entry, snapshots, others);
  }

  async planPull(request: PullRequest): Promise<PullPlan & { readonly isHere: boolean }> {
    const known = await this.find(request.model);
    const named = known && asNamed(request.model, known);
    const plan = planPull(request, named, known ? [] : await this.suggest(request.model));
    const { isDownloaded } = known ?? (await this.#describe(plan.entry));
    return { ...plan, isHere: isDownloaded && named === known };
  }

  async register(entry: ModelEntry, options: WriteOptions = {}): Promise<CatalogEntry> {
    if (!entry.id.startsWith(USER_PREFIX)) throw new RouterError("INVALID_REQUEST", `${entry.id} does not begin with ${USER_PREFIX}`);
    await this.#user.set(entry.id, registrationFields(entry), options);
    return await this.#describe((await this.#user.load()).get(entry.id) ?? entry);
  }

  async unregister(id: string, options: WriteOptions = {}): Promise<boolean> {
    return id.startsWith(USER_PREFIX) && (await this.#user.remove(id, options));
  }

  // Nothing is held open: folders are looked at, not watched.
  async [Symbol.asyncDispose](): Promise<void> {}
}

function isSameInput(a: ListInputs, b: ListInputs): boolean {
  return (
    a.labelsVersion === b.labelsVersion &&
    a.registry === b.registry &&
    a.user === b.user &&
    a.repositories === b.repositories &&
    a.inFolders.length === b.inFolders.length &&
    a.inFolders.every((model, i) => model === b.inFolders[i]) &&
    a.flmTags.size === b.flmTags.size &&
    a.flmTags.isSubsetOf(b.flmTags)
  );
}
