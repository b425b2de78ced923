import { readFile, readdir, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import {
  isGgufPath,
  isRepoId,
  isSafeRevision,
  refPath,
  repoFolder,
  repoOfFolder,
  snapshotsFolder,
  type ListedFile,
  type SnapshotFiles,
} from "../model/index.ts";
import { isAbsent } from "./directory-cache.ts";
import { isSettled } from "./time-stamps.ts";

/** One commit of a repository, as far as it is on this disk. */
export interface CachedSnapshot {
  /** Absolute path of its folder. */
  readonly folder: string;
  /** GGUF files that are whole, with paths as in the repository. */
  readonly files: readonly ListedFile[];
  readonly isEmpty: boolean;
  /** Newer Lemonade is downloading it, or was when it was stopped. */
  readonly isUnfinished: boolean;
}

export interface CachedRepository {
  readonly repo: string;
  /** The folder of the commit that `main` names, or the one that early Lemonade ports called so. */
  readonly main: CachedSnapshot | undefined;
  /** The commit that `main` names first, then older ones: their files are as good when the newest lacks them. */
  readonly snapshots: readonly CachedSnapshot[];
}

interface Scan {
  readonly repository: CachedRepository;
  /** What shows by its time stamp that the scan is out of date; `undefined` means that it was not there. */
  readonly watched: readonly { readonly path: string; readonly mtimeMs: number | undefined }[];
  readonly isSettled: boolean;
}

/** Folders inside a snapshot below this depth belong to no model repository. */
const MOST_LEVELS = 4;
/** So many repositories are checked at once: enough to keep the disk busy, and other work waits little. */
const CHECKED_AT_ONCE = 256;

const mtimeOf = async (path: string): Promise<number | undefined> =>
  await stat(path).then(
    (facts) => facts.mtimeMs,
    () => undefined,
  );

/**
 * What lies in the Hugging Face cache. Looks again on every call, at the cost of three `stat`s per unchanged repository: of the
 * branch, of the folder of commits and of the commit's. An unchanged repository is the same object again.
 */
export class HubCache {
  readonly #root: string;
  readonly #scans = new Map<string, Scan>();
  #folders: { readonly mtimeMs: number; readonly isSettled: boolean; readonly repos: readonly string[] } | undefined;
  #listed: readonly CachedRepository[] = [];

  constructor(root: string) {
    this.#root = root;
  }

  /** One repository; `undefined` when nothing of it is here. */
  async repository(repo: string): Promise<CachedRepository | undefined> {
    const known = this.#scans.get(repo);
    if (known?.isSettled && (await isCurrent(known))) return known.repository;
    const scan = await scanRepository(this.#root, repo);
    if (scan) this.#scans.set(repo, scan);
    else this.#scans.delete(repo);
    return scan?.repository;
  }

  /** All repositories, by name; the same array as long as nothing changes. */
  async list(): Promise<readonly CachedRepository[]> {
    const repos = await this.#repos();
    const found: CachedRepository[] = [];
    for (let at = 0; at < repos.length; at += CHECKED_AT_ONCE) {
      const batch = await Promise.all(repos.slice(at, at + CHECKED_AT_ONCE).map(async (repo) => await this.repository(repo)));
      found.push(...batch.filter((repository) => repository !== undefined));
    }
    const isSame = found.length === this.#listed.length && found.every((repository, i) => repository === this.#listed[i]);
    if (!isSame) this.#listed = found;
    return this.#listed;
  }

  /** Every file of every snapshot of a repository, links to nothing too. Always from the disk. */
  async everyFile(repo: string): Promise<readonly SnapshotFiles[]> {
    const snapshots = join(this.#root, snapshotsFolder(repo));
    const commits = await commitsIn(snapshots, undefined);
    return await Promise.all(commits.map(async (commit) => ({ commit, files: await everyFileIn(join(snapshots, commit)) })));
  }

  async #repos(): Promise<readonly string[]> {
    try {
      const { mtimeMs } = await stat(this.#root);
      if (this.#folders?.isSettled && this.#folders.mtimeMs === mtimeMs) return this.#folders.repos;
      const settled = isSettled(mtimeMs, Date.now());
      const names = await readdir(this.#root);
      const repos = names.map((name) => repoOfFolder(name)).filter((repo) => repo !== undefined && isRepoId(repo));
      this.#folders = { mtimeMs, isSettled: settled, repos: (repos as string[]).toSorted() };
      return this.#folders.repos;
    } catch (error) {
      if (isAbsent(error)) return [];
      throw error;
    }
  }
}

async function isCurrent({ watched }: Scan): Promise<boolean> {
  const now = await Promise.all(watched.map(async ({ path }) => await mtimeOf(path)));
  return watched.every(({ mtimeMs }, i) => mtimeMs === now[i]);
}

async function scanRepository(root: string, repo: string): Promise<Scan | undefined> {
  const nowMs = Date.now();
  const watched: { path: string; mtimeMs: number | undefined }[] = [];
  // Time stamps are taken before the content: a change in between is seen next time.
  const watch = async (path: string): Promise<void> => void watched.push({ path, mtimeMs: await mtimeOf(path) });
  if (!(await isFolder(join(root, repoFolder(repo))))) return undefined;
  const refFile = join(root, refPath(repo, "main"));
  const snapshots = join(root, snapshotsFolder(repo));
  await watch(refFile);
  const main = await readRef(refFile);
  await watch(snapshots);
  const commits = await commitsIn(snapshots, main);
  const found: CachedSnapshot[] = [];
  for (const commit of commits) found.push(await scanSnapshot(join(snapshots, commit), watch));
  return {
    repository: { repo, main: found[commits.indexOf(main ?? "main")], snapshots: found },
    watched,
    isSettled: watched.every(({ mtimeMs }) => mtimeMs === undefined || isSettled(mtimeMs, nowMs)),
  };
}

const isFolder = async (path: string): Promise<boolean> =>
  await stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  );

async function readRef(path: string): Promise<string | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  // The library writes no newline; other tools do.
  const revision = text?.trim();
  return revision !== undefined && isSafeRevision(revision) ? revision : undefined;
}

/** The commit of `main` first, or the folder that early Lemonade ports called so, then the others, newest first. */
async function commitsIn(folder: string, main: string | undefined): Promise<readonly string[]> {
  const items = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const names = items.filter((item) => item.isDirectory()).map((item) => item.name);
  if (names.length < 2) return names;
  const times = new Map(await Promise.all(names.map(async (name) => [name, (await mtimeOf(join(folder, name))) ?? 0] as const)));
  const first = main ?? "main";
  return names.toSorted((a, b) => Number(b === first) - Number(a === first) || (times.get(b) ?? 0) - (times.get(a) ?? 0));
}

async function everyFileIn(folder: string): Promise<readonly ListedFile[]> {
  const items = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  const paths = items.filter((item) => !item.isDirectory()).map((item) => relative(folder, join(item.parentPath, item.name)));
  return paths.toSorted().map((path) => ({ path: path.replaceAll(sep, "/"), sizeBytes: 0 }));
}

async function scanSnapshot(folder: string, watch: (path: string) => Promise<void>): Promise<CachedSnapshot> {
  const files: ListedFile[] = [];
  let isEmpty = true;
  const visit = async (below: string, level: number): Promise<void> => {
    const at = join(folder, below);
    await watch(at);
    const items = await readdir(at, { withFileTypes: true }).catch(() => []);
    for (const item of items) {
      const path = below === "" ? item.name : `${below}/${item.name}`;
      if (item.isDirectory()) {
        if (level < MOST_LEVELS) await visit(path, level + 1);
        continue;
      }
      isEmpty = false;
      if (!isGgufPath(item.name)) continue;
      // Follows the link: an entry whose blob is gone is no file.
      const facts = await stat(join(folder, path)).catch(() => undefined);
      if (facts?.isFile()) files.push({ path, sizeBytes: facts.size });
    }
  };
  await visit("", 0);
  // As the hub lists them: of several that would do the first is taken.
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const unfinished = await unfinishedFiles(folder);
  return {
    folder,
    files: files.filter(({ path, sizeBytes }) => (unfinished?.get(path) ?? sizeBytes) === sizeBytes),
    isEmpty,
    isUnfinished: unfinished !== undefined,
  };
}

/** Newer Lemonade keeps a list of what it is downloading in the snapshot itself; a file in it is whole only at its full size. */
async function unfinishedFiles(folder: string): Promise<ReadonlyMap<string, number> | undefined> {
  const text = await readFile(join(folder, ".download_manifest.json"), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const manifest = JSON.parse(text) as { files?: readonly { name?: unknown; size?: unknown }[] };
    return new Map(
      (manifest.files ?? []).map(({ name, size }) => [String(name), typeof size === "number" ? size : Number.POSITIVE_INFINITY]),
    );
  } catch {
    // Being written, or damaged: it cannot say which files are whole, so their headers will.
    return new Map();
  }
}
