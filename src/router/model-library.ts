import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { deleteUpload, type Catalog, type CatalogEntry } from "../catalog/index.ts";
import { errorMessage, RouterError } from "../errors.ts";
import type { DownloadStatus, FileSet, RepoSummary, SnapshotEntry } from "../hub/index.ts";
import {
  COMPANION_FILES,
  listVariants,
  parseHubCheckpoint,
  pathsOfVariant,
  type FileProgress,
  type ModelEvent,
  repoFolder,
  requireVariant,
  type ModelEntry,
  type PullRequest,
  type VariantOffer,
} from "../model/index.ts";
import { writeFileAtomic, type Log } from "../platform/index.ts";
import { inspectOnHub } from "./inspect-on-hub.ts";
import type { ModelFacts } from "./model-details.ts";
import { openHub, type Hub } from "./open-hub.ts";

/** The models that an engine keeps itself, by its own names for them. */
export interface OwnModels {
  /** Fetches a model, unless it is here; with `mayUpgrade` also a newer one. */
  pull(tag: string, options: { readonly mayUpgrade: boolean; readonly signal: AbortSignal }): Promise<void>;
  remove(tag: string, signal: AbortSignal): Promise<void>;
}

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

/** What a pull came to: a running download, or nothing to do. */
export interface Pull {
  readonly entry: ModelEntry;
  /** Undefined when everything is here already. */
  readonly download: DownloadStatus | undefined;
}

/**
 * Fetches, finds and deletes models: the catalog knows what they are, the hub has their files. The hub is opened at the first question, so
 * that a server that never asks it pays nothing.
 */
export class ModelLibrary implements AsyncDisposable {
  readonly #options: ModelLibraryOptions;
  #hub: Promise<Hub> | undefined;
  /** Models to register once their download is done, by the id of its job. */
  #unregistered: Map<string, ModelEntry> | undefined;
  readonly #registering = new Map<string, Promise<void>>();
  /** Downloads whose progress is being told. */
  readonly #told = new Set<string>();

  constructor(options: ModelLibraryOptions) {
    this.#options = options;
  }

  /**
   * Starts the download of a model, or joins the one that runs. It goes on when the caller leaves; a new model is registered when it is
   * done, also after a restart of the server.
   */
  async pull(
    request: PullRequest,
    { signal, keepsVersion = false }: { signal: AbortSignal; keepsVersion?: boolean | undefined },
  ): Promise<Pull> {
    const { catalog } = this.#options;
    const { entry, isNew } = await catalog.planPull(request);
    const known = await catalog.find(entry.id);
    const isHere = known?.isDownloaded ?? false;
    if (entry.source === "builtin" || entry.source === "models-dir" || entry.source === "path") return { entry, download: undefined };
    if (isHere && keepsVersion) return { entry, download: undefined };
    if (entry.recipe === "flm") {
      await this.#options.flm.pull(entry.checkpoint, { mayUpgrade: !keepsVersion, signal });
      if (isNew) await catalog.register(entry, { signal });
      return { entry, download: undefined };
    }
    const { jobs, client } = await this.#open();
    if (isHere && client.settings.isOffline) return { entry, download: undefined };
    const set = await this.#filesOf(entry, signal);
    const download = await jobs.start(entry.id, set);
    void this.#tell(download.id);
    if (isNew) await this.#registerLater(download.id, entry);
    if (download.state !== "done") return { entry, download };
    await this.#register(download.id);
    return { entry, download: undefined };
  }

  /** Pulls a model unless it is here, and waits until it is. */
  async ensure(entry: CatalogEntry, signal: AbortSignal): Promise<void> {
    const { download } = await this.pull({ model: entry.id }, { signal, keepsVersion: true });
    if (download !== undefined) await this.wait(download.id, signal);
  }

  /** The states of a download until it no longer runs. Leaving does not stop it. */
  async *watch(id: string, signal: AbortSignal): AsyncGenerator<DownloadStatus> {
    const { jobs } = await this.#open();
    yield* jobs.watch(id, signal);
  }

  /** Waits until a download is done and its model registered. Rejects with the download's own error. */
  async wait(id: string, signal: AbortSignal): Promise<void> {
    const { jobs } = await this.#open();
    await jobs.wait(id, signal);
    await this.#register(id);
  }

  /** Downloads that run now. Costs nothing before the hub was first needed. */
  async running(): Promise<readonly DownloadStatus[]> {
    if (this.#hub === undefined) return [];
    return (await this.downloads()).filter(({ state }) => state === "running");
  }

  async downloads(): Promise<readonly DownloadStatus[]> {
    return (await this.#open()).jobs.list();
  }

  /** `cancel` stops a download, forgets it and drops what has arrived of unfinished files; `pause` keeps everything. */
  async control(id: string, action: "pause" | "resume" | "cancel"): Promise<DownloadStatus> {
    const { jobs } = await this.#open();
    const status = await jobs[action](id);
    if (action === "resume") {
      this.#registerWhenDone(id);
      void this.#tell(id);
    }
    return status;
  }

  /**
   * Deletes the files of a model that no other model or snapshot needs, and its registration.
   * @throws {@link RouterError} `MODEL_NOT_DELETABLE` for what is not in the hub's cache.
   */
  async delete(entry: CatalogEntry, signal: AbortSignal): Promise<{ freedBytes: number }> {
    const { catalog, flm } = this.#options;
    if (entry.recipe === "flm") {
      if (entry.isDownloaded) await flm.remove(entry.checkpoint, signal);
      if (entry.source === "user") await catalog.unregister(entry.id, { signal });
      return { freedBytes: entry.isDownloaded ? (entry.sizeBytes ?? 0) : 0 };
    }
    const { jobs, client } = await this.#open();
    const { cacheDir } = client.settings;
    const uploaded = await deleteUpload(entry, { hubCacheDir: cacheDir, catalog, signal });
    if (uploaded !== undefined) return uploaded;
    const checkpoint = parseHubCheckpoint(entry.checkpoint);
    if (entry.source === "builtin" || entry.source === "models-dir" || entry.source === "path" || checkpoint === undefined) {
      throw new RouterError("MODEL_NOT_DELETABLE", `${entry.id} is not in the cache of downloaded models (${entry.source})`, {
        hint: entry.source === "builtin" ? undefined : "Delete its file yourself.",
      });
    }
    const { deleteFiles } = await import("../hub/index.ts");
    const { repo } = checkpoint;
    const snapshots = join(cacheDir, repoFolder(repo), "snapshots");
    const entries = await this.#entriesOnlyOf(entry, { repo, snapshots });
    const isWanted = (blob: string) => jobs.wants(repo, blob);
    const { freedBytes } = await deleteFiles(repo, entries, { cacheDir, signal, isWanted });
    if (entry.source === "user") await catalog.unregister(entry.id, { signal });
    return { freedBytes };
  }

  /** The files of a model less those that another model uses too (a projector); with the last model of a repository its small companions. */
  async #entriesOnlyOf(entry: ModelEntry, { repo, snapshots }: { repo: string; snapshots: string }): Promise<readonly SnapshotEntry[]> {
    const { catalog } = this.#options;
    const all = await catalog.list({ all: true, unsupported: true });
    const others = all.filter(
      (other) => other.isDownloaded && other.id !== entry.id && parseHubCheckpoint(other.checkpoint)?.repo === repo,
    );
    const used = new Set((await Promise.all(others.map((other) => catalog.pathsOf(other)))).flat());
    const own = (await catalog.pathsOf(entry)).filter((path) => path.startsWith(snapshots) && !used.has(path));
    const entries = own.map((path) => {
      const [commit = "", ...rest] = path.slice(snapshots.length + 1).split(/[/\\]/);
      return { commit, path: rest.join("/") };
    });
    if (used.size > 0) return entries;
    const commits = [...new Set(entries.map(({ commit }) => commit))];
    return [...entries, ...commits.flatMap((commit) => COMPANION_FILES.map((path) => ({ commit, path })))];
  }

  /** Repositories with GGUF files whose names hold every word of the query. */
  async search(query: string, signal: AbortSignal): Promise<readonly RepoSummary[]> {
    return await (await this.#open()).client.search(query, { signal });
  }

  /** What a repository offers, with sizes. */
  async variants(checkpoint: string, signal: AbortSignal): Promise<readonly VariantOffer[]> {
    const parsed = parseHubCheckpoint(checkpoint);
    if (parsed === undefined) throw new RouterError("INVALID_REQUEST", `${JSON.stringify(checkpoint)} is no repository: write org/repo`);
    const { client } = await this.#open();
    return listVariants((await client.listFiles(parsed.repo, { signal })).files);
  }

  /** What a model that is not here would bring. */
  async inspect(entry: ModelEntry, signal: AbortSignal): Promise<ModelFacts> {
    const [{ client }, set] = await Promise.all([this.#open(), this.#filesOf(entry, signal)]);
    return await inspectOnHub(client, set, { entry, signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#hub)?.jobs[Symbol.asyncDispose]();
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

  async #open(): Promise<Hub> {
    this.#hub ??= openHub(this.#options);
    this.#hub.catch(() => (this.#hub = undefined)); // An unreadable folder may be readable the next time.
    return await this.#hub;
  }

  /** The files of a model as the hub has them now: those of its variant, and small companions; a whole repository for other recipes. */
  async #filesOf(entry: ModelEntry, signal: AbortSignal): Promise<FileSet> {
    const checkpoint = parseHubCheckpoint(entry.checkpoint);
    if (checkpoint === undefined) {
      throw new RouterError(
        "RECIPE_UNSUPPORTED",
        `${entry.id} cannot be fetched here: its checkpoint ${entry.checkpoint} is on no model hub`,
      );
    }
    const { client } = await this.#open();
    const { repo, commit, files } = await client.listFiles(checkpoint.repo, { signal });
    const isGguf = entry.recipe === "llamacpp";
    const chosen = isGguf ? pathsOfVariant(requireVariant(repo, files, { variant: checkpoint.variant, mmproj: entry.mmproj })) : undefined;
    const wanted = chosen === undefined ? files : files.filter(({ path }) => chosen.includes(path) || COMPANION_FILES.includes(path));
    return { repo, revision: "main", commit, files: wanted };
  }

  async #registerLater(id: string, entry: ModelEntry): Promise<void> {
    const waiting = await this.#readUnregistered();
    waiting.set(id, entry);
    await this.#writeUnregistered();
    this.#registerWhenDone(id);
  }

  #registerWhenDone(id: string): void {
    const never = new AbortController().signal;
    this.wait(id, never).catch((error: unknown) => this.#options.log.debug("downloads", `${id}: ${errorMessage(error)}`));
  }

  /** Registers the model of a finished download, once, whoever learns first that it is done. */
  async #register(id: string): Promise<void> {
    const registering = this.#registering.get(id) ?? this.#registerOnce(id);
    this.#registering.set(id, registering);
    try {
      await registering;
    } finally {
      this.#registering.delete(id);
    }
  }

  async #registerOnce(id: string): Promise<void> {
    const waiting = await this.#readUnregistered();
    const entry = waiting.get(id);
    if (entry === undefined) return;
    await this.#options.catalog.register(entry);
    waiting.delete(id);
    await this.#writeUnregistered();
  }

  get #unregisteredFile(): string {
    return join(this.#options.downloadsDir, "unregistered.json");
  }

  async #readUnregistered(): Promise<Map<string, ModelEntry>> {
    if (this.#unregistered !== undefined) return this.#unregistered;
    const text = await readFile(this.#unregisteredFile, "utf8").catch(() => "[]");
    this.#unregistered ??= new Map(JSON.parse(text) as [string, ModelEntry][]); // Our own file, written whole.
    return this.#unregistered;
  }

  async #writeUnregistered(): Promise<void> {
    await writeFileAtomic(this.#unregisteredFile, JSON.stringify([...(this.#unregistered ?? [])]));
  }
}

/** The files of a download with their addresses on the hub. */
export function filesOf({ repo, commit, files }: DownloadStatus): FileProgress[] {
  return files.map(({ path, bytes, sizeBytes }) => ({
    url: `https://huggingface.co/${repo}/resolve/${commit}/${path}`,
    doneBytes: bytes,
    totalBytes: sizeBytes,
  }));
}
