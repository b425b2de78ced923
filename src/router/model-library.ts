import { deleteUpload, type Catalog, type CatalogEntry } from "../catalog/index.ts";
import { RouterError } from "../errors.ts";
import type { DownloadStatus, FileSet, RepoSummary, WhenLeft } from "../hub/index.ts";
import {
  COMPANION_FILES,
  groupGgufFiles,
  listVariants,
  parseHubCheckpoint,
  pathsOfVariant,
  requireVariant,
  requireWhole,
  type FileProgress,
  type ModelEntry,
  type ModelEvent,
  type PullPlan,
  type PullRequest,
  type VariantOffer,
} from "../model/index.ts";
import { Lazy, type Log } from "../platform/index.ts";
import { deleteModel, dropDownloads, type DeletedModel } from "./delete-model.ts";
import { inspectOnHub } from "./inspect-on-hub.ts";
import type { ModelFacts } from "./model-details.ts";
import { isHubAway, openHub, type Hub } from "./open-hub.ts";
import { fetchOwn, ownSet, type OwnModels } from "./own-models.ts";

export interface ModelLibraryOptions {
  readonly catalog: Catalog;
  readonly log: Log;
  /** Where the hub is, who asks and what is allowed: the variables that `huggingface_hub` reads. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where unfinished downloads are remembered. */
  readonly downloadsDir: string;
  /** Told how downloads go. */
  readonly onEvent: (event: ModelEvent) => void;
  /** FastFlowLM's own models. */
  readonly flm: OwnModels;
}

export interface PullOptions {
  /** Aborted when the caller leaves. */
  readonly signal: AbortSignal;
  /** A model that is here is good enough, however old. */
  readonly keepsVersion?: boolean | undefined;
  /** The caller does not wait for the download, which goes on to its end. */
  readonly isDetached?: boolean | undefined;
  /** What becomes of the download when the caller leaves and nobody else wants it. Defaults to "goes on". */
  readonly whenLeft?: WhenLeft | undefined;
}

/** What a pull came to: a running download, or nothing to do. */
export interface Pull {
  readonly entry: ModelEntry;
  /** Undefined when everything is here already. */
  readonly download: DownloadStatus | undefined;
}

/** What can be done to a download. `leave` pauses it for one who waits for it, unless others want it. */
export type DownloadAction = "pause" | "resume" | "cancel" | "leave";

/**
 * Fetches, finds and deletes models: the catalog knows what they are, the hub has their files. The hub is opened at the first question, so
 * that a server that never asks it pays nothing.
 */
export class ModelLibrary implements AsyncDisposable {
  readonly #options: ModelLibraryOptions;
  readonly #hub: Lazy<Hub>;
  /** Downloads whose progress is being told. */
  readonly #told = new Set<string>();

  constructor(options: ModelLibraryOptions) {
    this.#options = options;
    const { env, downloadsDir, catalog, flm, log } = options;
    this.#hub = new Lazy(
      async () =>
        await openHub({
          env,
          downloadsDir,
          fetchByKeeper: fetchOwn(flm),
          register: async (entry) => void (await catalog.register(entry)),
          warn: (message) => log.warning("downloads", message),
        }),
    );
  }

  /**
   * Starts the download of a model, or joins the one that runs. It goes on when the caller leaves; a new model is registered when it is
   * done, also after a restart of the server.
   */
  async pull(request: PullRequest, { signal, keepsVersion = false, isDetached = false, whenLeft }: PullOptions): Promise<Pull> {
    const { catalog } = this.#options;
    const { entry, isNew, isHere } = (await this.#unfinishedPlan(request)) ?? (await catalog.planPull(request));
    const useWhatIsHere = async (): Promise<Pull> => {
      if (isNew) await catalog.register(entry, { signal });
      return { entry, download: undefined };
    };
    if (entry.source === "builtin" || entry.source === "models-dir" || entry.source === "path") return await useWhatIsHere();
    if (isHere && keepsVersion) return await useWhatIsHere();
    const isOwn = entry.recipe === "flm";
    if (!isOwn && !isOnOurHub(entry)) {
      if (!isHere) await this.#requireHere(entry);
      return await useWhatIsHere();
    }
    const { jobs } = await this.#hub.get();
    const set = isOwn ? ownSet(entry, { mayUpgrade: !keepsVersion }) : await this.#newestFiles(entry, { isHere, signal });
    if (set === undefined) return await useWhatIsHere();
    const waits = isDetached ? undefined : signal;
    const download = await jobs.start(entry.id, set, { registers: isNew ? entry : undefined, signal: waits, whenLeft });
    void this.#tell(download.id);
    return { entry, download: download.state === "done" ? undefined : download };
  }

  /** Pulls a model unless it is here, and waits until it is. */
  async ensure(entry: CatalogEntry, signal: AbortSignal): Promise<void> {
    const { download } = await this.pull({ model: entry.id }, { signal, keepsVersion: true });
    if (download !== undefined) await this.wait(download.id, signal);
  }

  /** The states of a download until it no longer runs. Leaving does not stop it. */
  async *watch(id: string, signal: AbortSignal): AsyncGenerator<DownloadStatus> {
    const { jobs } = await this.#hub.get();
    yield* jobs.watch(id, signal);
  }

  /** Waits until a download is done and its model registered. Rejects with the download's own error. */
  async wait(id: string, signal: AbortSignal): Promise<void> {
    const { jobs } = await this.#hub.get();
    await jobs.wait(id, signal);
  }

  /** Downloads that run now. Costs nothing before the hub was first needed. */
  async running(): Promise<readonly DownloadStatus[]> {
    if (this.#hub.made === undefined) return [];
    return (await this.#hub.get()).jobs.list().filter(({ state }) => state === "running");
  }

  async downloads(): Promise<readonly DownloadStatus[]> {
    const { jobs } = await this.#hub.get();
    await jobs.refresh();
    return jobs.list();
  }

  /** `cancel` stops a download, forgets it and drops what has arrived of unfinished files; the others keep everything. */
  async control(id: string, action: DownloadAction): Promise<DownloadStatus> {
    const { jobs } = await this.#hub.get();
    await jobs.refresh();
    const status = await jobs[action](id);
    if (action === "resume") void this.#tell(id);
    return status;
  }

  /** The model of this name that will be registered once its download, unfinished now, is done. */
  async awaited(model: string): Promise<ModelEntry | undefined> {
    const { jobs } = await this.#hub.get();
    await jobs.refresh();
    return jobs.awaited(model);
  }

  /**
   * Deletes the files of a model that no other model or snapshot needs, what has arrived of it, and its registration.
   * @throws {@link RouterError} `MODEL_NOT_DELETABLE` for what is not in the hub's cache or is needed by others, `MODEL_NOT_REGISTERED` for
   * a place on the hub of which nothing is here.
   */
  async delete(entry: CatalogEntry, signal: AbortSignal): Promise<DeletedModel> {
    const { catalog, flm } = this.#options;
    if (entry.recipe === "flm") {
      await dropDownloads(entry, { repo: entry.checkpoint, jobs: (await this.#hub.get()).jobs });
      if (entry.isDownloaded) await flm.remove(entry.checkpoint, signal);
      if (entry.source === "user") await catalog.unregister(entry.id, { signal });
      return { freedBytes: entry.isDownloaded ? (entry.sizeBytes ?? 0) : 0 };
    }
    const { jobs, client } = await this.#hub.get();
    const { cacheDir } = client.settings;
    const uploaded = await deleteUpload(entry, { hubCacheDir: cacheDir, catalog, signal });
    return uploaded ?? (await deleteModel(entry, { catalog, jobs, cacheDir, signal }));
  }

  /** Repositories with GGUF files whose names hold every word of the query. */
  async search(query: string, signal: AbortSignal): Promise<readonly RepoSummary[]> {
    return await (await this.#hub.get()).client.search(query, { signal });
  }

  /** What a repository offers, with sizes. */
  async variants(checkpoint: string, signal: AbortSignal): Promise<readonly VariantOffer[]> {
    const parsed = parseHubCheckpoint(checkpoint);
    if (parsed === undefined) throw new RouterError("INVALID_REQUEST", `${JSON.stringify(checkpoint)} is no repository: write org/repo`);
    const { client } = await this.#hub.get();
    const { files } = await client.listFiles(parsed.repo, { signal });
    const { models, projectors } = groupGgufFiles(files);
    return listVariants(files, { models: models.filter(({ missing }) => missing.length === 0), projectors });
  }

  /** What a model that is not here would bring. */
  async inspect(entry: ModelEntry, signal: AbortSignal): Promise<ModelFacts> {
    if (!isOnOurHub(entry)) throw onNoHub(entry);
    const [{ client }, set] = await Promise.all([this.#hub.get(), this.#filesOf(entry, signal)]);
    return await inspectOnHub(client, set, { entry, signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#hub.made)?.jobs[Symbol.asyncDispose]();
  }

  /** Tells every step of a download until it no longer runs. */
  async #tell(id: string): Promise<void> {
    if (this.#told.has(id)) return;
    this.#told.add(id);
    const { onEvent } = this.#options;
    let last: DownloadStatus | undefined;
    for await (const status of this.watch(id, new AbortController().signal)) {
      if (last === undefined) onEvent({ kind: "downloading", model: status.label, files: [] });
      onEvent({ kind: "downloading", model: status.label, files: filesOf(status) });
      last = status;
    }
    this.#told.delete(id);
    if (last !== undefined) onEvent({ kind: "downloaded", model: last.label, isComplete: last.state === "done" });
  }

  /** A new name whose first download was interrupted goes on by its name alone. */
  async #unfinishedPlan({ model, checkpoint, recipe }: PullRequest): Promise<(PullPlan & { isHere: boolean }) | undefined> {
    if (checkpoint || recipe || !model.startsWith("user.")) return undefined;
    const entry = await this.awaited(model);
    return entry && { entry, isNew: true, isHere: false };
  }

  /** Checks a model that no hub of ours can send. */
  async #requireHere(entry: ModelEntry): Promise<void> {
    const { catalog } = this.#options;
    const isHere = entry.recipe === "llamacpp" ? (await catalog.inspect(entry)) !== undefined : (await catalog.pathsOf(entry)).length > 0;
    if (!isHere) throw onNoHub(entry);
  }

  /** What the hub has of a model; undefined when it is here and the hub cannot be asked. */
  async #newestFiles(entry: ModelEntry, { isHere, signal }: { isHere: boolean; signal: AbortSignal }): Promise<FileSet | undefined> {
    const { client } = await this.#hub.get();
    if (isHere && client.settings.isOffline) return undefined;
    try {
      return await this.#filesOf(entry, signal);
    } catch (error) {
      if (!isHere || !isHubAway(error)) throw error;
      this.#options.log.warning("downloads", `${error.message}; ${entry.id} stays as it is here`);
      return undefined;
    }
  }

  /** The files of a model as the hub has them now: those of its variant, and small companions; a whole repository for other recipes. */
  async #filesOf(entry: ModelEntry, signal: AbortSignal): Promise<FileSet> {
    const { client } = await this.#hub.get();
    const { repo: name, variant } = parseHubCheckpoint(entry.checkpoint) ?? { repo: entry.checkpoint, variant: undefined };
    const { repo, commit, files } = await client.listFiles(name, { signal });
    if (entry.recipe !== "llamacpp") return { repo, revision: "main", commit, files };
    const chosen = pathsOfVariant(requireVariant(repo, files, { variant, mmproj: entry.mmproj }));
    requireWhole(repo, files, chosen);
    return {
      repo,
      revision: "main",
      commit,
      files: files.filter(({ path }) => chosen.includes(path) || COMPANION_FILES.includes(path)),
    };
  }
}

/** Our downloads know one hub. */
function isOnOurHub({ checkpoint, hub }: ModelEntry): boolean {
  return parseHubCheckpoint(checkpoint) !== undefined && hub === undefined;
}

function onNoHub({ id, checkpoint, hub }: ModelEntry): RouterError {
  const where = hub === undefined ? "no model hub, and not on this disk" : `another hub, ${hub}`;
  return new RouterError("RECIPE_UNSUPPORTED", `${id} cannot be fetched here: its checkpoint ${checkpoint} is on ${where}`);
}

/** The files of a download with their addresses, on the hub or at the program that keeps them. */
export function filesOf({ endpoint, repo, commit, keeper, files }: DownloadStatus): FileProgress[] {
  return files.map(({ path, bytes, sizeBytes }) => ({
    url: keeper === undefined ? `${endpoint}/${repo}/resolve/${commit}/${path}` : `${keeper}:${repo}`,
    doneBytes: bytes,
    totalBytes: sizeBytes,
  }));
}
