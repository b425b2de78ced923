import { join } from "node:path";
import { blobPath, partialBlobPath } from "../model/index.ts";
import { cacheError } from "../platform/index.ts";
import { entryPath, readRef, sizeOf, writeRef } from "./cache-entry.ts";
import type { Downloader } from "./download-file.ts";
import type { RemoteFile } from "./hub-client.ts";

/** Files of one commit that belong together: the shards of a model, its projector. */
export interface FileSet {
  readonly repo: string;
  /** The branch or tag that was asked for. */
  readonly revision: string;
  readonly commit: string;
  readonly files: readonly RemoteFile[];
  /** The program that fetches and keeps it itself, under the name `repo`. Absent for what is on the hub. */
  readonly keeper?: "flm" | undefined;
}

export interface FileProgress {
  readonly path: string;
  readonly bytes: number;
  readonly sizeBytes: number;
}

export interface SetOptions {
  /** What the ref named when this commit was the newest. It is written only if it still does. Defaults to what it names now. */
  readonly refBefore?: string | null | undefined;
  readonly onProgress?: ((file: FileProgress) => void) | undefined;
  /** Another program is writing this file, and we wait until it is through. */
  readonly onWaiting?: ((path: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Small files are a question of round trips; the connections for large ones are bounded elsewhere. */
const FILES_AT_ONCE = 4;

/**
 * Downloads all files of a set or fails with the first error; what has arrived stays. The ref moves to the commit when all are here and
 * not, as `huggingface_hub` has it, before: until then the version before is the one that programs find.
 * @returns The absolute paths, in the order of the set.
 */
export async function downloadSet(downloader: Downloader, set: FileSet, options: SetOptions = {}): Promise<readonly string[]> {
  const { cacheDir } = downloader.client.settings;
  const { refBefore = await readRef(cacheDir, set.repo, set.revision) } = options;
  await downloader.assertSpaceFor(await missingBytes(cacheDir, set), set.repo);
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const queue = set.files.entries();
  const paths: string[] = [];
  const worker = async (): Promise<void> => {
    for (const [index, file] of queue) {
      paths[index] = await downloader.downloadFile(
        { repo: set.repo, commit: set.commit, ...file },
        {
          signal,
          onProgress: (progress) => options.onProgress?.({ path: file.path, ...progress }),
          onWaiting: () => options.onWaiting?.(file.path),
        },
      );
    }
  };
  // A worker that ends in error stops the others, and all have ended before the caller hears of it.
  const workers = Array.from({ length: FILES_AT_ONCE }, () =>
    worker().catch((error: unknown) => {
      stop.abort(error);
      throw error;
    }),
  );
  await Promise.allSettled(workers);
  options.signal?.throwIfAborted();
  stop.signal.throwIfAborted();
  try {
    // Another program may have brought a newer commit meanwhile, or while this download was paused.
    const isStillNewest = (await readRef(cacheDir, set.repo, set.revision)) === refBefore;
    if (isStillNewest) await writeRef(cacheDir, set.repo, set.revision, set.commit);
  } catch (error) {
    throw cacheError(error, cacheDir);
  }
  return paths;
}

/** How much of each file is here already, finished or begun. */
export async function presentBytes(cacheDir: string, set: FileSet): Promise<readonly FileProgress[]> {
  return await Promise.all(
    set.files.map(async ({ path, sizeBytes, content }) => {
      const { repo, commit } = set;
      const entryBytes = await sizeOf(entryPath({ cacheDir, repo, commit, path }));
      const blobBytes = content && (await sizeOf(join(cacheDir, blobPath(repo, content.hex))));
      const partialBytes = content && (await sizeOf(join(cacheDir, partialBlobPath(repo, content.hex))));
      const bytes = [entryBytes, blobBytes].includes(sizeBytes) ? sizeBytes : Math.min(partialBytes ?? 0, sizeBytes);
      return { path, bytes, sizeBytes };
    }),
  );
}

async function missingBytes(cacheDir: string, set: FileSet): Promise<number> {
  return (await presentBytes(cacheDir, set)).reduce((sum, { bytes, sizeBytes }) => sum + sizeBytes - bytes, 0);
}
