import { lstat, readFile, readlink, unlink } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { acquireBlobLock } from "./blob-lock.ts";
import type { Clock } from "./clock.ts";

/** Beside a shared blob: the links to it that its makers know of, one path per line, relative to the cache. */
const REFERENCES = ".refs";
const LAYOUT = "1\n";

/**
 * Removes a blob that several repositories share when none links to it any more. `huggingface_hub` 2 keeps the files of its Xet protocol
 * once for the whole cache, in `blobs/ab/abcd…`, and puts links to them into the repositories. As there, a missing or unreadable list of
 * references is no reason to delete anything.
 * @returns How many bytes it had, 0 when it stays or is not such a blob.
 */
export async function sweepSharedBlob(
  cacheDir: string,
  path: string,
  { clock, signal }: { clock: Clock; signal?: AbortSignal | undefined },
): Promise<number> {
  const name = basename(path);
  const store = join(cacheDir, "blobs");
  if (path !== join(store, name.slice(0, 2), name) || !/^[0-9a-f]{64}$/.test(name)) return 0;
  if ((await readFile(join(store, ".huggingface-shared-blobs"), "utf8").catch(() => "")) !== LAYOUT) return 0;
  await using _lock = await acquireBlobLock(`${path}.lock`, { clock, signal });
  const references = await readFile(path + REFERENCES, "utf8").catch(() => undefined);
  if (references === undefined) return 0;
  for (const line of references.split("\n")) if (await isLinkTo(cacheDir, line, path)) return 0;
  const found = await lstat(path).catch(() => undefined);
  if (!found?.isFile()) return 0;
  await unlink(path);
  await unlink(path + REFERENCES);
  return found.size;
}

async function isLinkTo(cacheDir: string, line: string, path: string): Promise<boolean> {
  const at = resolve(cacheDir, line);
  if (line === "" || !at.startsWith(cacheDir + sep)) return false;
  const target = await readlink(at).catch((error: NodeJS.ErrnoException) => {
    // Not a link, or none there any more. Anything else may be a link that we cannot see.
    if (error.code === "ENOENT" || error.code === "EINVAL" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  return target !== undefined && resolve(dirname(at), target) === path;
}
