import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { mkdir, open, stat, unlink, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "./clock.ts";
import { acquireByExistence, held, polling } from "./existence-lock.ts";

/**
 * The lock that `huggingface_hub` takes around the download of one blob, so that two programs never write the same one.
 *
 * Its `filelock` opens the file and holds it by `flock(2)` on Linux and macOS, by `LockFileEx` on Windows; the file stays behind. No
 * JavaScript runtime offers `flock`, so it is reached where the system already has it: on Linux the `flock` program (util-linux,
 * BusyBox) locks a descriptor that it inherits from us, and the lock stays with our descriptor when the program ends; on macOS and
 * Windows `O_EXLOCK` makes `open` itself take the lock (macOS: `flock`; Windows: no sharing, which fails while Python has the file
 * open and makes Python's own opening fail). Closing the descriptor, also by dying, gives the lock back.
 *
 * On a file system that cannot lock, `huggingface_hub` takes the existence of the file for the lock, and so do we. Where only the `flock`
 * program is missing, that would wait for ever for the files that real locks leave behind: another name beside it keeps our own processes
 * apart, though not Python's.
 */
export interface BlobLock extends AsyncDisposable {
  readonly path: string;
}

export interface BlobLockOptions {
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** Called once when somebody else holds the lock. */
  readonly onWaiting?: (() => void) | undefined;
}

/** Missing from Node's constants although libuv passes it on. */
const O_EXLOCK = process.platform === "win32" ? 0x1000_0000 : 0x20;
const O_NONBLOCK = constants.O_NONBLOCK ?? 0;

export async function acquireBlobLock(path: string, options: BlobLockOptions): Promise<BlobLock> {
  await mkdir(dirname(path), { recursive: true });
  if (process.platform !== "linux") return await acquireByOpening(path, options);
  for (;;) {
    const { file, isNew } = await openLockFile(path);
    try {
      const outcome = await flock(file, options);
      // Whoever held it may have removed the file: then the lock is on a file without a name, and guards nothing.
      if (outcome === "locked" && (await isStillAt(file, path))) return held(path, () => file.close());
      if (outcome !== "locked") {
        await file.close();
        if (isNew && outcome === "impossible") await unlink(path);
        return await acquireByExistence(outcome === "impossible" ? path : `${path}.lemonade`, options);
      }
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
  }
}

async function openLockFile(path: string): Promise<{ readonly file: FileHandle; readonly isNew: boolean }> {
  const flags = constants.O_RDWR | constants.O_CREAT;
  try {
    return { file: await open(path, flags | constants.O_EXCL, 0o644), isNew: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return { file: await open(path, flags, 0o644), isNew: false };
  }
}

/** `impossible`: the file system has no locks. */
type FlockOutcome = "locked" | "no-program" | "impossible";

async function flock(file: FileHandle, { signal, onWaiting }: BlobLockOptions): Promise<FlockOutcome> {
  const first = await runFlock(["-x", "-n"], file.fd, signal);
  if (first !== "busy") return first;
  onWaiting?.();
  const second = await runFlock(["-x"], file.fd, signal);
  // BusyBox has one exit code for everything, and who waits is never refused because another holds it.
  return second === "busy" ? "impossible" : second;
}

function runFlock(args: readonly string[], fd: number, signal: AbortSignal | undefined): Promise<FlockOutcome | "busy"> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const child = spawn("flock", [...args, "3"], { stdio: ["ignore", "ignore", "ignore", fd] });
    const onAbort = (): void => void child.kill("SIGKILL");
    signal?.addEventListener("abort", onAbort, { once: true });
    const settle = (finish: () => void): void => {
      signal?.removeEventListener("abort", onAbort);
      finish();
    };
    child.once("error", (error: NodeJS.ErrnoException) => settle(() => (error.code === "ENOENT" ? resolve("no-program") : reject(error))));
    child.once("exit", (code) =>
      settle(() => {
        if (signal?.aborted) reject(signal.reason);
        else if (code === 0) resolve("locked");
        else if (code === 1) resolve("busy");
        else if (code === null) reject(new Error("flock was killed"));
        else resolve("impossible");
      }),
    );
  });
}

async function isStillAt(file: FileHandle, path: string): Promise<boolean> {
  const ours = await file.stat();
  const named = await stat(path).catch(() => undefined);
  return named !== undefined && named.ino === ours.ino && named.dev === ours.dev;
}

async function acquireByOpening(path: string, options: BlobLockOptions): Promise<BlobLock> {
  const flags = constants.O_RDWR | constants.O_CREAT | O_NONBLOCK | O_EXLOCK;
  return await polling(options, async () => {
    try {
      const file = await open(path, flags, 0o644);
      return held(path, () => file.close());
    } catch (error) {
      if (/^(?:EAGAIN|EWOULDBLOCK|EBUSY|EACCES|EPERM)$/.test((error as NodeJS.ErrnoException).code ?? "")) return undefined;
      throw error;
    }
  });
}
