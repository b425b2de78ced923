import type { Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { isGgufPath, type ListedFile } from "../model/index.ts";
import { isSettled } from "./time-stamps.ts";

/** What one level of a folder holds, as far as models go. */
export interface DirectoryListing {
  /** GGUF files by name; links count as what they lead to. */
  readonly files: readonly ListedFile[];
  readonly directories: readonly string[];
}

interface CachedListing extends DirectoryListing {
  readonly mtimeMs: number;
  /** Of each file, in their order: one that is written over shows in no time stamp of its folder. */
  readonly stamps: readonly string[];
  /** Nothing in it was written so shortly before the listing that a later change could hide behind the same time stamp. */
  readonly isSettled: boolean;
}

/** Codes that mean "there is no such folder for us"; one bad folder must not take the whole list with it. */
const ABSENT: ReadonlySet<string | undefined> = new Set(["ENOENT", "ENOTDIR", "EACCES", "EPERM", "ELOOP", "ENAMETOOLONG"]);

export const isAbsent = (error: unknown): boolean => ABSENT.has((error as NodeJS.ErrnoException).code);

/**
 * Folder listings that are read again only when the folder's time stamp or one of its files' says so: a `stat` for each of them.
 * An unchanged folder gives the same object again, so that what is derived from it can be kept in a `WeakMap`.
 */
export class DirectoryCache {
  readonly #listings = new Map<string, CachedListing>();

  /** `undefined` when there is no such folder or it may not be read. */
  async read(path: string): Promise<DirectoryListing | undefined> {
    try {
      const { mtimeMs } = await stat(path);
      const cached = this.#listings.get(path);
      if (cached?.isSettled && cached.mtimeMs === mtimeMs && (await areUnchanged(path, cached))) return cached;
      const listing = await readListing(path, mtimeMs);
      this.#listings.set(path, listing);
      return listing;
    } catch (error) {
      this.#listings.delete(path);
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }
}

async function areUnchanged(path: string, { files, stamps }: CachedListing): Promise<boolean> {
  const now = await Promise.all(files.map(async (file) => stampOf(await stat(join(path, file.path)).catch(() => undefined))));
  return now.every((stamp, i) => stamp === stamps[i]);
}

const stampOf = (facts: Stats | undefined): string => (facts === undefined ? "" : `${facts.ino} ${facts.size} ${facts.mtimeMs}`);

async function readListing(path: string, mtimeMs: number): Promise<CachedListing> {
  const nowMs = Date.now();
  let settled = isSettled(mtimeMs, nowMs);
  const found: { readonly file: ListedFile; readonly stamp: string }[] = [];
  const directories: string[] = [];
  const inspect = async (name: string): Promise<void> => {
    // Names disappear between listing and `stat`, and links may dangle: neither is a model.
    const facts = await stat(join(path, name)).catch(() => undefined);
    if (facts?.isDirectory()) directories.push(name);
    else if (facts?.isFile() && isGgufPath(name)) {
      found.push({ file: { path: name, sizeBytes: facts.size }, stamp: stampOf(facts) });
      settled &&= isSettled(facts.mtimeMs, nowMs);
    }
  };
  const inspected: Promise<void>[] = [];
  for (const item of await readdir(path, { withFileTypes: true })) {
    if (item.isDirectory()) directories.push(item.name);
    else if (item.isSymbolicLink() || isGgufPath(item.name)) inspected.push(inspect(item.name));
  }
  await Promise.all(inspected);
  const [files, stamps] = [found.map(({ file }) => file), found.map(({ stamp }) => stamp)];
  return { files, stamps, directories: directories.toSorted(), mtimeMs, isSettled: settled };
}
