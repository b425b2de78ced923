import { mkdir, mkdtemp, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { RouterError } from "../errors.ts";
import { formatBytes, type ListedFile } from "../model/index.ts";
import { cacheError } from "../platform/index.ts";
import type { Catalog } from "./catalog.ts";
import type { CatalogEntry } from "./catalog-entry.ts";
import { folderBytes } from "./folder-bytes.ts";
import { checkUploadRecipe, uploadedEntry, uploadFolder, uploadPath, type UploadedModel } from "./uploaded-model.ts";

export interface UploadOptions {
  readonly hubCacheDir: string;
  readonly catalog: Catalog;
  /** Bytes that will come, where the client tells: more than fit are refused before the first of them. */
  readonly expectedBytes?: number | undefined;
}

/** A folder of weights and their companions has tens of files; a whole disk shall not come by mistake. */
const MAX_FILES = 2000;
const TEMPORARY_PREFIX = ".lemonade-upload-";
/** No upload takes a day, so what is older was left by a server that was killed; the cache may be shared with servers elsewhere. */
const LEFT_AFTER_MS = 24 * 3_600_000;

/**
 * The files gather in a temporary folder of the cache, on the same disk as their place.
 */
export async function openUpload(options: UploadOptions): Promise<LocalUpload> {
  const { hubCacheDir, expectedBytes = 0 } = options;
  try {
    await mkdir(hubCacheDir, { recursive: true });
    await removeLeftovers(hubCacheDir);
    const { bavail, bsize } = await statfs(hubCacheDir);
    if (bavail * bsize < expectedBytes) {
      throw new RouterError(
        "DISK_FULL",
        `The files need ${formatBytes(expectedBytes)}, and ${formatBytes(bavail * bsize)} are free in ${hubCacheDir}`,
      );
    }
    return new LocalUpload(options, await mkdtemp(join(hubCacheDir, TEMPORARY_PREFIX)));
  } catch (error) {
    throw writeError(error, hubCacheDir);
  }
}

/** One model on its way into the cache. */
export class LocalUpload implements AsyncDisposable {
  readonly #options: UploadOptions;
  readonly #folder: string;
  readonly #files: ListedFile[] = [];

  constructor(options: UploadOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
  }

  /**
   * Refuses what cannot be finished, so that nobody sends gigabytes in vain.
   * @throws {@link RouterError} `INVALID_REQUEST`, `MODEL_ALREADY_REGISTERED`.
   */
  async check({ model, recipe }: Pick<UploadedModel, "model" | "recipe">): Promise<void> {
    const { catalog, hubCacheDir } = this.#options;
    const folder = uploadFolder(model);
    checkUploadRecipe(recipe);
    const known = await catalog.find(model);
    // `user.org/name` may also be read as a repository on the hub, which takes no name from anybody.
    if (known !== undefined && known.source !== "hub-cache") throw taken(model, "A model of that name is registered");
    // Also the folder of a repository that was downloaded: its files are not mixed with others.
    if (await stat(join(hubCacheDir, folder)).catch(() => undefined)) throw taken(model, `The cache has a folder ${folder} already`);
  }

  /**
   * Writes one file as its content comes.
   * @param given - Its path as a browser tells it, the chosen folder included.
   * @throws {@link RouterError} `INVALID_REQUEST` for a path that leads elsewhere, `DISK_FULL`, `CACHE_NOT_WRITABLE`.
   */
  async addFile(given: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const path = uploadPath(given);
    if (this.#files.length >= MAX_FILES) throw new RouterError("INVALID_REQUEST", `More than ${MAX_FILES} files are no model`);
    const target = join(this.#folder, path);
    let sizeBytes = 0;
    await mkdir(dirname(target), { recursive: true }).catch((error: unknown) => rethrow(error, given));
    const file = await open(target, "wx").catch((error: unknown) => rethrow(error, given));
    try {
      for await (const piece of content) {
        for (let at = 0; at < piece.length;)
          at += (await file.write(piece, at).catch((error: unknown) => rethrow(error, given))).bytesWritten;
        sizeBytes += piece.length;
      }
    } finally {
      await file.close();
    }
    this.#files.push({ path, sizeBytes });
  }

  /**
   * Puts the files in their place and registers the model.
   * @throws {@link RouterError} `INVALID_REQUEST`, `NOT_A_GGUF`, `VARIANT_NOT_FOUND`, `VARIANT_AMBIGUOUS`, `MODEL_ALREADY_REGISTERED`.
   */
  async finish(request: UploadedModel, { signal }: { signal: AbortSignal }): Promise<CatalogEntry> {
    const { catalog, hubCacheDir } = this.#options;
    await this.check(request);
    if (this.#files.length === 0) throw new RouterError("INVALID_REQUEST", "The form holds no model_files");
    const entry = uploadedEntry(request, this.#files);
    const folder = join(hubCacheDir, uploadFolder(request.model));
    signal.throwIfAborted();
    try {
      // Fails when another upload of that name was faster: a folder with files in it is not replaced.
      await rename(this.#folder, folder);
    } catch (error) {
      throw ["ENOTEMPTY", "EEXIST", "EPERM"].includes(codeOf(error)) ? taken(request.model, "It was uploaded at the same time") : error;
    }
    try {
      if (entry.recipe === "llamacpp") await catalog.inspect(entry);
      return await catalog.register(entry, { signal });
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Removes the folder of an uploaded model, unless its registration points at somebody else's, and the registration. */
export async function removeUpload(
  entry: CatalogEntry,
  { folder, hubCacheDir, catalog, signal }: { folder: string; hubCacheDir: string; catalog: Catalog; signal: AbortSignal },
): Promise<{ freedBytes: number }> {
  let freedBytes = 0;
  if (uploadFolder(entry.id) === folder) {
    const root = join(hubCacheDir, folder);
    freedBytes = await folderBytes(root);
    await rm(root, { recursive: true, force: true });
  }
  await catalog.unregister(entry.id, { signal });
  return { freedBytes };
}

/** Removes what the uploads of killed servers have left. */
async function removeLeftovers(hubCacheDir: string): Promise<void> {
  for (const name of await readdir(hubCacheDir)) {
    if (!name.startsWith(TEMPORARY_PREFIX)) continue;
    const folder = join(hubCacheDir, name);
    const facts = await stat(folder).catch(() => undefined);
    if (facts && Date.now() - facts.mtimeMs > LEFT_AFTER_MS) await rm(folder, { recursive: true, force: true });
  }
}

function taken(model: string, why: string): RouterError {
  return new RouterError("MODEL_ALREADY_REGISTERED", `${model} cannot be uploaded: ${why}`, {
    hint: "Delete it first, or choose another name.",
  });
}

const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException | undefined)?.code);

function rethrow(error: unknown, path: string): never {
  throw writeError(error, path);
}

/** Says in the user's words why a file could not be written. */
function writeError(error: unknown, path: string): unknown {
  if (error instanceof RouterError || !["EEXIST", "EISDIR", "ENOTDIR"].includes(codeOf(error))) return cacheError(error, path);
  return new RouterError("INVALID_REQUEST", `The form holds ${JSON.stringify(path)} twice`, { cause: error });
}
