import { readFileSync, readdirSync, statSync, type Dirent, type Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { setImmediate } from "node:timers/promises";
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
/** After so many looks other work has its turn. */
const LOOKS_IN_A_ROW = 64;

/**
 * A look is a few small questions to the file system, a scan a dozen. They are asked without leaving the thread: through the thread pool
 * thousands of them take several times as long.
 */
const factsOf = (path: string): Stats | undefined => orNothing(() => statSync(path, { throwIfNoEntry: false }));
const itemsOf = (path: string): readonly Dirent[] => orNothing(() => readdirSync(path, { withFileTypes: true })) ?? [];
const textOf = (path: string): string | undefined => orNothing(() => readFileSync(path, "utf8"));

function orNothing<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

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
    return this.#look(repo);
  }

  /** All repositories, by name; the same array as long as nothing changes. */
  async list(): Promise<readonly CachedRepository[]> {
    const repos = await this.#repos();
    const found: CachedRepository[] = [];
    for (const [i, repo] of repos.entries()) {
      if (i % LOOKS_IN_A_ROW === LOOKS_IN_A_ROW - 1) await setImmediate();
      const repository = this.#look(repo);
      if (repository) found.push(repository);
    }
    const isSame = found.length === this.#listed.length && found.every((repository, i) => repository === this.#listed[i]);
    if (!isSame) this.#listed = found;
    return this.#listed;
  }

  #look(repo: string): CachedRepository | undefined {
    const known = this.#scans.get(repo);
    if (known?.isSettled && known.watched.every(({ path, mtimeMs }) => factsOf(path)?.mtimeMs === mtimeMs)) return known.repository;
    const scan = scanRepository(this.#root, repo);
    if (scan) this.#scans.set(repo, scan);
    else this.#scans.delete(repo);
    return scan?.repository;
  }

  /** Every file of every snapshot of a repository, links to nothing too. Always from the disk. */
  async everyFile(repo: string): Promise<readonly SnapshotFiles[]> {
    const snapshots = join(this.#root, snapshotsFolder(repo));
    const commits = commitsIn(snapshots, undefined);
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

function scanRepository(root: string, repo: string): Scan | undefined {
  const nowMs = Date.now();
  const watched: { path: string; mtimeMs: number | undefined }[] = [];
  // Time stamps are taken before the content: a change in between is seen next time.
  const watch = (path: string): void => void watched.push({ path, mtimeMs: factsOf(path)?.mtimeMs });
  const refFile = join(root, refPath(repo, "main"));
  const snapshots = join(root, snapshotsFolder(repo));
  watch(refFile);
  const main = readRef(refFile);
  watch(snapshots);
  const commits = commitsIn(snapshots, main);
  const found = commits.map((commit) => scanSnapshot(join(snapshots, commit), watch));
  if (found.length === 0 && !factsOf(join(root, repoFolder(repo)))?.isDirectory()) return undefined;
  return {
    repository: { repo, main: found[commits.indexOf(main ?? "main")], snapshots: found },
    watched,
    isSettled: watched.every(({ mtimeMs }) => mtimeMs === undefined || isSettled(mtimeMs, nowMs)),
  };
}

function readRef(path: string): string | undefined {
  // The library writes no newline; other tools do.
  const revision = textOf(path)?.trim();
  return revision !== undefined && isSafeRevision(revision) ? revision : undefined;
}

/** The commit of `main` first, or the folder that early Lemonade ports called so, then the others, newest first. */
function commitsIn(folder: string, main: string | undefined): readonly string[] {
  const names = itemsOf(folder)
    .filter((item) => item.isDirectory())
    .map((item) => item.name);
  if (names.length < 2) return names;
  const times = new Map(names.map((name) => [name, factsOf(join(folder, name))?.mtimeMs ?? 0]));
  const first = main ?? "main";
  return names.toSorted((a, b) => Number(b === first) - Number(a === first) || (times.get(b) ?? 0) - (times.get(a) ?? 0));
}

async function everyFileIn(folder: string): Promise<readonly ListedFile[]> {
  const items = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  const paths = items.filter((item) => !item.isDirectory()).map((item) => relative(folder, join(item.parentPath, item.name)));
  return paths.toSorted().map((path) => ({ path: path.replaceAll(sep, "/"), sizeBytes: 0 }));
}

function scanSnapshot(folder: string, watch: (path: string) => void): CachedSnapshot {
  const files: ListedFile[] = [];
  let hasManifest = false;
  let isEmpty = true;
  const visit = (below: string, level: number): void => {
    const at = join(folder, below);
    watch(at);
    for (const item of itemsOf(at)) {
      const path = below === "" ? item.name : `${below}/${item.name}`;
      if (item.isDirectory()) {
        if (level < MOST_LEVELS) visit(path, level + 1);
        continue;
      }
      isEmpty = false;
      if (path === MANIFEST) hasManifest = true;
      if (!isGgufPath(item.name)) continue;
      // Follows the link: an entry whose blob is gone is no file.
      const facts = factsOf(join(folder, path));
      if (facts?.isFile()) files.push({ path, sizeBytes: facts.size });
    }
  };
  visit("", 0);
  // As the hub lists them: of several that would do the first is taken.
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const unfinished = hasManifest ? unfinishedFiles(folder) : undefined;
  return {
    folder,
    files: files.filter(({ path, sizeBytes }) => (unfinished?.get(path) ?? sizeBytes) === sizeBytes),
    isEmpty,
    isUnfinished: unfinished !== undefined,
  };
}

const MANIFEST = ".download_manifest.json";

/** Newer Lemonade keeps a list of what it is downloading in the snapshot itself; a file in it is whole only at its full size. */
function unfinishedFiles(folder: string): ReadonlyMap<string, number> | undefined {
  const text = textOf(join(folder, MANIFEST));
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
