import { readFile, unlink, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import type { BlobLock, BlobLockOptions } from "./blob-lock.ts";

const POLL_MS = 200;

/**
 * A lock that is held by its file being there. The file says who holds it, in the words of Python's `SoftFileLock`: process and machine.
 * One whose process is gone is taken over; one that says nothing may be an older Python's, and is waited for.
 */
export async function acquireByExistence(path: string, options: BlobLockOptions): Promise<BlobLock> {
  return await polling(options, async () => {
    try {
      await writeFile(path, `${process.pid}\n${hostname()}\n`, { flag: "wx" });
      return held(path, async () => await unlink(path).catch(() => {}));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    if (await isAbandoned(path)) await unlink(path).catch(() => {});
    return undefined;
  });
}

export function held(path: string, release: () => Promise<void>): BlobLock {
  let released: Promise<void> | undefined;
  return { path, [Symbol.asyncDispose]: () => (released ??= release()) };
}

export async function polling(options: BlobLockOptions, attempt: () => Promise<BlobLock | undefined>): Promise<BlobLock> {
  for (let attempts = 0; ; attempts++) {
    options.signal?.throwIfAborted();
    const lock = await attempt();
    if (lock) return lock;
    if (attempts === 0) options.onWaiting?.();
    await options.clock.sleep(POLL_MS, options.signal);
  }
}

async function isAbandoned(path: string): Promise<boolean> {
  const [pid = "", host] = (await readFile(path, "utf8").catch(() => "")).split("\n");
  if (!/^[1-9]\d*$/.test(pid) || host !== hostname()) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
