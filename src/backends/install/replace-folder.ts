import { mkdir, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { InstallFailedError } from "./install-error.ts";

/** Where the folder that an upgrade replaces waits until the new one has proved itself. */
export const previousFolder = (folder: string): string => `${folder}.previous`;

/** A fresh sibling of `folder`: same file system, so that one rename moves it into place. */
export async function createStagingFolder(folder: string): Promise<string> {
  const staging = `${folder}.staging-${crypto.randomUUID()}`;
  await mkdir(dirname(folder), { recursive: true });
  await mkdir(staging);
  return staging;
}

/** Puts `staging` where `folder` is, in two renames; the old folder stays as {@link previousFolder}. Call it under a lock. */
export async function replaceFolder(staging: string, folder: string): Promise<void> {
  const previous = previousFolder(folder);
  await rm(previous, { recursive: true, force: true });
  try {
    if (await exists(folder)) await rename(folder, previous);
    await rename(staging, folder);
  } catch (error) {
    if (!(await exists(folder)) && (await exists(previous))) await rename(previous, folder);
    // Windows refuses to rename a folder while a program inside it runs.
    throw new InstallFailedError(`Could not put the new build into ${folder}`, {
      cause: error,
      hint: "Unload its models or stop the server, then install again.",
    });
  }
}

/** Undoes {@link replaceFolder}: the new folder goes, the previous one comes back. Says whether there was a previous one. */
export async function restorePreviousFolder(folder: string): Promise<boolean> {
  const previous = previousFolder(folder);
  await rm(folder, { recursive: true, force: true });
  if (!(await exists(previous))) return false;
  await rename(previous, folder);
  return true;
}

/** Heals a replacement that died between its two renames. Call it under the lock before looking at `folder`. */
export async function recoverInterruptedReplacement(folder: string): Promise<void> {
  if (!(await exists(folder)) && (await exists(previousFolder(folder)))) await rename(previousFolder(folder), folder);
}

export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
