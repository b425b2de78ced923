import { mkdir, rename, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { RouterError } from "../errors.ts";
import { blobPath, formatBytes, isCommitId, isGgufPath, lockPath, partialBlobPath, snapshotPath } from "../model/index.ts";
import { requireGgufStart } from "../model/gguf/index.ts";
import { cacheError } from "../platform/index.ts";
import { acquireBlobLock } from "./blob-lock.ts";
import { assertInside, entryPath, linkEntry, sizeOf, writeNoExist, type CacheEntry } from "./cache-entry.ts";
import { systemClock, type Clock } from "./clock.ts";
import type { ContentName } from "./content-name.ts";
import { fetchBlob } from "./fetch-blob.ts";
import { EntryNotFoundError, type FileMetadata, type HubClient } from "./hub-client.ts";
import { PartialBlob } from "./partial-blob.ts";
import { PartSlots } from "./part-slots.ts";
import { retrying } from "./retry.ts";

export interface FileToDownload {
  readonly repo: string;
  readonly commit: string;
  readonly path: string;
  /** What a file list said, if one was read. */
  readonly sizeBytes?: number | undefined;
  readonly content?: ContentName | undefined;
}

export interface FileOptions {
  /** Bytes of the file that are here, and how many there are in all. */
  readonly onProgress?: ((progress: { readonly bytes: number; readonly sizeBytes: number }) => void) | undefined;
  /** Another program is writing the same blob, and we wait until it is through. */
  readonly onWaiting?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface DownloaderOptions {
  readonly client: HubClient;
  readonly clock?: Clock | undefined;
  /** Connections, and parts in memory, over all downloads. Defaults to 3. */
  readonly connections?: number | undefined;
  /** Bytes that may still be written to a folder. Defaults to asking the file system. */
  readonly freeBytesOf?: ((folder: string) => Promise<number>) | undefined;
}

const CONNECTIONS = 3;

/** Downloads files of a hub into the cache, verified. One for the whole program: it bounds connections and memory. */
export class Downloader {
  readonly client: HubClient;
  readonly #clock: Clock;
  readonly #slots: PartSlots;
  readonly #freeBytesOf: (folder: string) => Promise<number>;

  constructor({ client, clock = systemClock, connections = CONNECTIONS, freeBytesOf = freeBytesOnDisk }: DownloaderOptions) {
    this.client = client;
    this.#clock = clock;
    this.#slots = new PartSlots(connections);
    this.#freeBytesOf = freeBytesOf;
  }

  /**
   * Downloads one file unless it is here, and resumes what an earlier process has begun; a partial file never has the finished one's
   * name.
   * @returns Absolute path of the file in its snapshot.
   * @throws {@link RouterError} `NOT_A_GGUF`, `CHECKSUM_MISMATCH` (the partial file is dropped), `DISK_FULL`, `CACHE_NOT_WRITABLE`, `DOWNLOAD_FAILED`
   * (it is kept), `OFFLINE`, and what the hub may refuse with.
   */
  async downloadFile(file: FileToDownload, options: FileOptions = {}): Promise<string> {
    const { cacheDir } = this.client.settings;
    const entry: CacheEntry = { cacheDir, repo: file.repo, commit: file.commit, path: file.path };
    const at = entryPath(entry);
    try {
      const presentBytes = await sizeOf(at);
      if (presentBytes !== undefined && (file.sizeBytes === undefined || presentBytes === file.sizeBytes)) {
        options.onProgress?.({ bytes: presentBytes, sizeBytes: presentBytes });
        return at;
      }
      const metadata = await this.#describe(file, options.signal);
      await this.#intoCache(entry, file, metadata, options);
      return at;
    } catch (error) {
      options.signal?.throwIfAborted();
      throw cacheError(error, at);
    }
  }

  async #describe({ repo, path, commit }: FileToDownload, signal: AbortSignal | undefined): Promise<FileMetadata> {
    try {
      return await retrying(() => this.client.fileMetadata(repo, path, { revision: commit, signal }), { clock: this.#clock, signal });
    } catch (error) {
      if (error instanceof EntryNotFoundError && error.commit !== undefined && isCommitId(error.commit)) {
        await writeNoExist(this.client.settings.cacheDir, repo, error.commit, path);
      }
      throw error;
    }
  }

  async #intoCache(entry: CacheEntry, file: FileToDownload, metadata: FileMetadata, options: FileOptions): Promise<void> {
    const { cacheDir, repo } = entry;
    const { etag, sizeBytes } = metadata;
    const blob = join(cacheDir, blobPath(repo, etag));
    const lock = { clock: this.#clock, signal: options.signal, onWaiting: options.onWaiting };
    await using _lock = await acquireBlobLock(join(cacheDir, lockPath(repo, etag)), lock);
    await mkdir(dirname(blob), { recursive: true });
    await assertInside(cacheDir, dirname(blob));
    // A repository folder without this one counts as damaged, also while its first file is under way.
    await mkdir(join(cacheDir, snapshotPath(repo, entry.commit)), { recursive: true });
    const { mayLink } = this.client.settings;
    // Another snapshot may have the same content, and whoever held the lock may have brought it.
    if ((await sizeOf(blob)) === sizeBytes) {
      options.onProgress?.({ bytes: sizeBytes, sizeBytes });
      return await linkEntry(entry, etag, { mayLink, isNewBlob: false });
    }
    await this.#fetchBlob(blob, file, metadata, options);
    await linkEntry(entry, etag, { mayLink, isNewBlob: true });
  }

  async #fetchBlob(blob: string, file: FileToDownload, metadata: FileMetadata, { onProgress, signal }: FileOptions): Promise<void> {
    const { sizeBytes, etag } = metadata;
    const label = `${file.repo}/${file.path}`;
    const path = join(this.client.settings.cacheDir, partialBlobPath(file.repo, etag));
    await using partial = await PartialBlob.open(path, {
      sizeBytes,
      content: metadata.content ?? file.content,
      clock: this.#clock,
      // An error page in the place of a model need not be fetched to its end, and must not count as the model.
      checkStart: isGgufPath(file.path) ? (start) => requireGgufStart(label, start) : undefined,
    });
    await this.assertSpaceFor(sizeBytes - partial.bytes, label);
    await fetchBlob(partial, {
      transport: this.client.transport,
      repo: file.repo,
      slots: this.#slots,
      clock: this.#clock,
      metadata,
      label,
      describe: (signal) => this.#describe(file, signal),
      onBytes: (bytes) => onProgress?.({ bytes, sizeBytes }),
      signal: signal ?? new AbortController().signal,
    });
    await rename(path, blob);
  }

  /** Throws `DISK_FULL` unless so many more bytes fit into the cache. */
  async assertSpaceFor(neededBytes: number, label: string): Promise<void> {
    const { cacheDir } = this.client.settings;
    if (neededBytes === 0) return;
    const freeBytes = await this.#freeBytesOf(cacheDir);
    if (freeBytes >= neededBytes) return;
    throw new RouterError(
      "DISK_FULL",
      `${label} needs ${formatBytes(neededBytes)} more, and ${cacheDir} has ${formatBytes(freeBytes)} free`,
      {
        hint: "Free some space, delete a model, or set HF_HUB_CACHE to another disk.",
      },
    );
  }
}

/** What an ordinary user may still write; of the nearest folder above when this one is not there yet. */
async function freeBytesOnDisk(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch (error) {
    const above = dirname(folder);
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || above === folder) throw error;
    return await freeBytesOnDisk(above);
  }
}
