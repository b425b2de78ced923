import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A holder needs a few milliseconds; a lock this old was left behind by a crash on another machine or by a reused process id. */
const ABANDONED_AFTER_MS = 30_000;
const RETRY_MS = 15;

/**
 * Runs `action` while holding a lock file beside a shared file, so that two processes never read, change and write it at once. A lock
 * whose process is gone is taken over.
 */
export async function withFileLock<T>(
  path: string,
  action: () => Promise<T>,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<T> {
  const lock = `${path}.lock`;
  await mkdir(dirname(path), { recursive: true });
  const mine = `${process.pid} ${randomUUID()}`;
  while (!(await take(lock, mine))) {
    signal?.throwIfAborted();
    await removeAbandoned(lock);
    // The timer rejects with an error of its own; the caller is promised the signal's reason.
    await sleep(RETRY_MS, undefined, { signal }).catch(() => signal?.throwIfAborted());
  }
  try {
    signal?.throwIfAborted();
    return await action();
  } finally {
    // A lock that was taken from us, because we seemed gone, is another's now.
    if ((await content(lock)) === mine) await rm(lock, { force: true });
  }
}

async function take(lock: string, mine: string): Promise<boolean> {
  try {
    await using file = await open(lock, "wx");
    await file.writeFile(mine);
    return true;
  } catch (error) {
    // Windows answers EPERM while another process is removing the file.
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" || (code === "EPERM" && process.platform === "win32")) return false;
    throw error;
  }
}

const content = async (path: string): Promise<string | undefined> => await readFile(path, "utf8").catch(() => undefined);

async function removeAbandoned(lock: string): Promise<void> {
  const seen = await content(lock);
  const facts = await stat(lock).catch(() => undefined);
  if (seen === undefined || !facts) return;
  const pid = Number(seen.split(" ", 1)[0]);
  const isOld = Date.now() - facts.mtimeMs > ABANDONED_AFTER_MS;
  // A file without a process id is being written right now, or was left by a crash in between.
  if (!isOld && (seen === "" || isAlive(pid))) return;
  // Moved away first, so that of two waiters only one removes it; what was moved is checked, so that it is not a new holder's.
  const aside = `${lock}.${randomUUID()}`;
  try {
    await rename(lock, aside);
  } catch {
    return;
  }
  if ((await content(aside)) !== seen) await rename(aside, lock).catch(() => undefined);
  else await rm(aside, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
