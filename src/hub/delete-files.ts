import { lstat, readdir, readFile, readlink, realpath, rm, rmdir, unlink } from "node:fs/promises";
import { dirname, join, relative, resolve, sep } from "node:path";
import { RouterError } from "../errors.ts";
import {
  blobPath,
  blobsFolder,
  isSafeBlobName,
  isSafeRepoPath,
  isSafeRevision,
  lockPath,
  refsFolder,
  repoFolder,
  snapshotPath,
  snapshotsFolder,
} from "../model/index.ts";
import { cacheError } from "../platform/index.ts";
import { acquireBlobLock } from "./blob-lock.ts";
import { assertInside } from "./cache-entry.ts";
import { systemClock, type Clock } from "./clock.ts";
import { sweepSharedBlob } from "./shared-blobs.ts";

/** One file of one snapshot. */
export interface SnapshotEntry {
  /** A commit, or whatever the folder in `snapshots` is called. */
  readonly commit: string;
  readonly path: string;
}

export interface DeleteOptions {
  readonly cacheDir: string;
  readonly clock?: Clock | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Tells which blobs without a snapshot somebody still wants, begun downloads among them. Defaults to all of them. */
  readonly isWanted?: ((blob: string) => boolean) | undefined;
}

export interface Deleted {
  /** The entries that were there and are gone. */
  readonly entries: readonly SnapshotEntry[];
  readonly freedBytes: number;
}

/**
 * Removes exactly these entries, then what only they needed: blobs that no other entry of the repository links to, folders that are
 * empty, refs to snapshots that are gone. Entries that are not there are no error. Nothing outside the cache is touched, whatever a
 * name or a link says.
 * @throws {@link RouterError} `INVALID_REQUEST` for names that lead elsewhere, `CACHE_NOT_WRITABLE`.
 */
export async function deleteFiles(repo: string, entries: readonly SnapshotEntry[], options: DeleteOptions): Promise<Deleted> {
  const root = join(options.cacheDir, repoFolder(repo));
  if (!isSafeRepoPath(repo) || !(await isThere(root))) return { entries: [], freedBytes: 0 };
  try {
    await assertNoWayOut(options.cacheDir, root);
    const deleted: SnapshotEntry[] = [];
    const blobs = new Set<string>();
    let freedBytes = 0;
    for (const entry of entries) {
      const found = await unlinkEntry(options.cacheDir, repo, entry);
      if (!found) continue;
      deleted.push(entry);
      if (found.blob === undefined) freedBytes += found.sizeBytes;
      else blobs.add(found.blob);
    }
    for (const blob of blobs) freedBytes += await removeUnlessNeeded(repo, blob, options);
    freedBytes += await tidyRepo(repo, options);
    return { entries: deleted, freedBytes };
  } catch (error) {
    throw cacheError(error, root);
  }
}

/** Throws when the repository's folder or one of its own is a link that leads elsewhere. */
async function assertNoWayOut(cacheDir: string, root: string): Promise<void> {
  await assertInside(cacheDir, root);
  for (const folder of ["snapshots", "blobs", "refs", ".no_exist", "trees"]) {
    if (await isThere(join(root, folder))) await assertInside(root, join(root, folder));
  }
}

async function unlinkEntry(
  cacheDir: string,
  repo: string,
  { commit, path }: SnapshotEntry,
): Promise<{ readonly blob: string | undefined; readonly sizeBytes: number } | undefined> {
  if (!isSafeRevision(commit) || commit.includes("/") || !isSafeRepoPath(path)) {
    throw new RouterError("INVALID_REQUEST", `${commit}/${path} is not a file of a snapshot`);
  }
  const at = join(cacheDir, snapshotPath(repo, commit, path));
  const found = await lstat(at).catch(() => undefined);
  if (found === undefined) return undefined;
  // A folder of the snapshot that is a link would have us delete somewhere else.
  await assertInside(join(cacheDir, repoFolder(repo)), dirname(at));
  if (found.isDirectory()) throw new RouterError("INVALID_REQUEST", `${at} is a folder`);
  const blob = found.isSymbolicLink() ? blobOfLink(join(cacheDir, blobsFolder(repo)), at, await readlink(at)) : undefined;
  await unlink(at);
  return { blob, sizeBytes: found.isFile() ? found.size : 0 };
}

/** The blob that a link names, if it lies in the repository's own folder of blobs. */
function blobOfLink(blobs: string, at: string, target: string): string | undefined {
  const name = relative(blobs, resolve(dirname(at), target));
  return isSafeBlobName(name) && !name.includes(sep) ? name : undefined;
}

/** Asks under the blob's lock, which whoever links to it holds too. */
async function removeUnlessNeeded(repo: string, blob: string, { cacheDir, clock = systemClock, signal }: DeleteOptions): Promise<number> {
  await using _lock = await acquireBlobLock(join(cacheDir, lockPath(repo, blob)), { clock, signal });
  if ((await linkedBlobs(cacheDir, repo)).has(blob)) return 0;
  const at = join(cacheDir, blobPath(repo, blob));
  const found = await lstat(at).catch(() => undefined);
  if (found === undefined) return 0;
  const target = found.isSymbolicLink() ? resolve(dirname(at), await readlink(at)) : undefined;
  await unlink(at);
  return target === undefined ? found.size : await sweepSharedBlob(cacheDir, target, { clock, signal });
}

async function linkedBlobs(cacheDir: string, repo: string): Promise<ReadonlySet<string>> {
  const blobs = join(cacheDir, blobsFolder(repo));
  const names = new Set<string>();
  for (const entry of await list(join(cacheDir, snapshotsFolder(repo)), true)) {
    if (!entry.isSymbolicLink()) continue;
    const at = join(entry.parentPath, entry.name);
    const name = blobOfLink(blobs, at, await readlink(at));
    if (name !== undefined) names.add(name);
  }
  return names;
}

/**
 * Removes folders that hold nothing, and what points to snapshots that are gone; with the last snapshot the blobs that are left of it, and
 * the repository's folder when nothing is left.
 */
async function tidyRepo(repo: string, options: DeleteOptions): Promise<number> {
  const inRepo = (path: string): string => join(options.cacheDir, path);
  const before = await names(inRepo(snapshotsFolder(repo)));
  for (const folder of await list(inRepo(snapshotsFolder(repo)))) {
    if (folder.isDirectory()) await removeEmptyFolders(join(folder.parentPath, folder.name));
  }
  const left = new Set(await names(inRepo(snapshotsFolder(repo))));
  for (const ref of await list(inRepo(refsFolder(repo)), true)) {
    const at = join(ref.parentPath, ref.name);
    if (ref.isFile() && !left.has(await readFile(at, "utf8"))) await unlink(at);
  }
  await removeEmptyFolders(inRepo(refsFolder(repo)));
  // huggingface_hub keeps notes on each commit: paths that it lacks, and since version 2 the list of those that it has.
  const gone = [...before, ...(await names(inRepo(`${repoFolder(repo)}/.no_exist`)))];
  for (const commit of gone.filter((name) => !left.has(name))) {
    await rm(inRepo(`${repoFolder(repo)}/.no_exist/${commit}`), { recursive: true, force: true });
    await rm(inRepo(`${repoFolder(repo)}/trees/${commit}.json`), { force: true });
  }
  if (left.size > 0) return 0;
  const freedBytes = await dropUnwantedBlobs(repo, options);
  for (const folder of [".no_exist", "trees", "blobs"]) await rmdir(inRepo(`${repoFolder(repo)}/${folder}`)).catch(() => {});
  // A folder without `snapshots` counts as damaged, so it stays while a begun download does.
  if ((await names(inRepo(blobsFolder(repo)))).length > 0) return freedBytes;
  await rmdir(inRepo(snapshotsFolder(repo))).catch(() => {});
  await rmdir(inRepo(repoFolder(repo))).catch(() => {});
  return freedBytes;
}

async function dropUnwantedBlobs(repo: string, options: DeleteOptions): Promise<number> {
  const { cacheDir, clock = systemClock, isWanted = () => true } = options;
  const suffix = ".incomplete";
  let freedBytes = 0;
  for (const name of await names(join(cacheDir, blobsFolder(repo)))) {
    const isPartial = name.endsWith(suffix);
    const blob = isPartial ? name.slice(0, -suffix.length) : name;
    if (!isSafeBlobName(blob) || isWanted(blob)) continue;
    if (isPartial) await dropPartial(cacheDir, repo, blob, clock);
    else freedBytes += await removeUnlessNeeded(repo, blob, options);
  }
  return freedBytes;
}

/** Removes a begun download, unless a program is at work on it. */
export async function dropPartial(cacheDir: string, repo: string, blob: string, clock: Clock = systemClock): Promise<void> {
  const busy = new AbortController();
  const lock = await acquireBlobLock(join(cacheDir, lockPath(repo, blob)), {
    clock,
    signal: busy.signal,
    onWaiting: () => busy.abort(),
  }).catch((error: unknown) => {
    if (busy.signal.aborted) return undefined;
    throw error;
  });
  if (!lock) return;
  await rm(join(cacheDir, `${blobPath(repo, blob)}.incomplete`), { force: true });
  await lock[Symbol.asyncDispose]();
}

/** Removes a folder if there is no file in it or below, its empty folders in any case. Links are not followed. */
async function removeEmptyFolders(folder: string): Promise<void> {
  for (const entry of await list(folder)) if (entry.isDirectory()) await removeEmptyFolders(join(folder, entry.name));
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (!/^(?:ENOTEMPTY|EEXIST|ENOENT|ENOTDIR)$/.test(error.code ?? "")) throw error;
  });
}

async function list(folder: string, isRecursive = false): Promise<Awaited<ReturnType<typeof readEntries>>> {
  return await readEntries(folder, isRecursive).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
    throw error;
  });
}

async function readEntries(folder: string, isRecursive: boolean) {
  return await readdir(folder, { withFileTypes: true, recursive: isRecursive });
}

async function names(folder: string): Promise<readonly string[]> {
  return (await list(folder)).map(({ name }) => name);
}

async function isThere(path: string): Promise<boolean> {
  return await realpath(path).then(
    () => true,
    () => false,
  );
}
