import { copyFile, lstat, mkdir, readFile, readlink, realpath, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { RouterError } from "../errors.ts";
import { blobLinkTarget, blobPath, isCommitId, isSafeRepoPath, noExistPath, refPath, repoFolder, snapshotPath } from "../model/index.ts";

/** One file of one commit in the cache. */
export interface CacheEntry {
  readonly cacheDir: string;
  readonly repo: string;
  readonly commit: string;
  readonly path: string;
}

/** Where programs read the file. Refuses names that would lead out of the snapshot. */
export function entryPath({ cacheDir, repo, commit, path }: CacheEntry): string {
  if (!isCommitId(commit)) throw new RouterError("INVALID_REQUEST", `${commit} is not a commit`);
  if (!isSafeRepoPath(path)) throw new RouterError("INVALID_REQUEST", `${path} is not a path inside a repository`);
  return join(cacheDir, snapshotPath(repo, commit, path));
}

/** The size of a file that can be read, links followed; undefined when it is not there. */
export async function sizeOf(path: string): Promise<number | undefined> {
  return await stat(path).then(
    (found) => (found.isFile() ? found.size : undefined),
    () => undefined,
  );
}

/**
 * Makes a blob readable under its name in a snapshot: by a relative link, or, where links are refused (Windows without the privilege),
 * by moving a new blob there and copying an old one, as `huggingface_hub` does. The caller holds the blob's lock.
 */
export async function linkEntry(entry: CacheEntry, etag: string, options: { mayLink: boolean; isNewBlob: boolean }): Promise<void> {
  const at = entryPath(entry);
  await mkdir(dirname(at), { recursive: true });
  await assertInside(entry.cacheDir, dirname(at));
  await rm(at, { force: true });
  const target = blobLinkTarget(entry.path, etag);
  if (options.mayLink) {
    try {
      await symlink(target, at, "file");
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EEXIST" && (await readlink(at).catch(() => "")) === target) return;
      // What file systems and Windows say when they have no links for us.
      if (!/^(?:EPERM|EACCES|ENOSYS|ENOTSUP|EOPNOTSUPP|EINVAL)$/.test(code ?? "")) throw error;
    }
  }
  const blob = join(entry.cacheDir, blobPath(entry.repo, etag));
  if (options.isNewBlob) await rename(blob, at);
  else await copyFile(blob, at);
}

/** Throws when a folder of the cache is a link that leads out of it: what is written there would land elsewhere. */
export async function assertInside(cacheDir: string, folder: string): Promise<void> {
  const root = await realpath(cacheDir);
  const real = await realpath(folder);
  if (real === root || real.startsWith(root + sep)) return;
  throw new RouterError("CACHE_NOT_WRITABLE", `${folder} leads out of the cache, to ${real}`, { hint: "Remove that link." });
}

/** The commit that a branch or tag named when it was last looked at; null when nobody has. */
export async function readRef(cacheDir: string, repo: string, revision: string): Promise<string | null> {
  return await readFile(join(cacheDir, refPath(repo, revision)), "utf8").catch(() => null);
}

/** Notes which commit a branch or tag names: the bare id, without a newline, as readers compare it verbatim. */
export async function writeRef(cacheDir: string, repo: string, revision: string, commit: string): Promise<void> {
  if (revision === commit) return;
  const at = join(cacheDir, refPath(repo, revision));
  // An unchanged one is left alone, so that a cache that others own can still be read.
  if ((await readRef(cacheDir, repo, revision)) === commit) return;
  await mkdir(dirname(at), { recursive: true });
  // Not beside the ref: every file there counts as one.
  const temporary = join(cacheDir, repoFolder(repo), `.ref.${process.pid}.tmp`);
  await writeFile(temporary, commit);
  await rename(temporary, at);
}

/** Notes that a commit has no such file, which saves other programs the question. */
export async function writeNoExist(cacheDir: string, repo: string, commit: string, path: string): Promise<void> {
  const at = join(cacheDir, noExistPath(repo, commit, path));
  if ((await lstat(at).catch(() => undefined)) !== undefined) return;
  await mkdir(dirname(at), { recursive: true });
  await writeFile(at, "");
  // A repository folder without this one counts as damaged.
  await mkdir(join(cacheDir, snapshotPath(repo, commit)), { recursive: true });
}
