import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { mkdir, open, readFile, stat, unlink, writeFile, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "./clock.ts";

/**
 * The lock that `huggingface_hub` takes around the download of one blob, so that two programs never write the same one.
 *
 * Its `filelock` opens the file and holds it by `flock(2)` on Linux and macOS, by `LockFileEx` on Windows; the file stays behind. No
 * JavaScript runtime offers `flock`, so it is reached where the system already has it: on Linux the `flock` program (util-linux,
 * BusyBox) locks a descriptor that it inherits from us, and the lock stays with our descriptor when the program ends; on macOS and
 * Windows `O_EXLOCK` makes `open` itself take the lock (macOS: `flock`; Windows: no sharing, which fails while Python has the file
 * open and makes Python's own opening fail). Closing the descriptor, also by dying, gives the lock back.
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
const POLL_MS = 200;

export async function acquireBlobLock(path: string, options: BlobLockOptions): Promise<BlobLock> {
  await mkdir(dirname(path), { recursive: true });
  if (process.platform !== "linux") return await acquireByOpening(path, options);
  for (;;) {
    const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o644);
    try {
      const outcome = await flock(file, options);
      if (outcome === "no-program") {
        await file.close();
        return await acquireByExistence(path, options);
      }
      // Whoever held it may have removed the file: then the lock is on a file without a name, and guards nothing.
      if (await isStillAt(file, path)) return held(path, () => file.close());
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
  }
}

function held(path: string, release: () => Promise<void>): BlobLock {
  let released: Promise<void> | undefined;
  return { path, [Symbol.asyncDispose]: () => (released ??= release()) };
}

async function flock(file: FileHandle, { signal, onWaiting }: BlobLockOptions): Promise<"locked" | "no-program"> {
  const first = await runFlock(["-x", "-n"], file.fd, signal);
  if (first !== "busy") return first;
  onWaiting?.();
  const second = await runFlock(["-x"], file.fd, signal);
  if (second === "busy") throw new Error("flock ended without the lock");
  return second;
}

function runFlock(args: readonly string[], fd: number, signal: AbortSignal | undefined): Promise<"locked" | "busy" | "no-program"> {
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
        else reject(new Error(`flock ended with ${code}`));
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

/**
 * Where there is no `flock` program: a file beside the lock with our process id, which keeps our own processes apart but not Python's.
 * Exported for its test.
 */
export async function acquireByExistence(path: string, options: BlobLockOptions): Promise<BlobLock> {
  const marker = `${path}.lemonade`;
  return await polling(options, async () => {
    try {
      await writeFile(marker, String(process.pid), { flag: "wx" });
      return held(path, () => unlink(marker));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    if (await isAbandoned(marker)) await unlink(marker).catch(() => {});
    return undefined;
  });
}

async function isAbandoned(marker: string): Promise<boolean> {
  const pid = Number(await readFile(marker, "utf8").catch(() => ""));
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

async function polling(options: BlobLockOptions, attempt: () => Promise<BlobLock | undefined>): Promise<BlobLock> {
  for (let attempts = 0; ; attempts++) {
    options.signal?.throwIfAborted();
    const lock = await attempt();
    if (lock) return lock;
    if (attempts === 0) options.onWaiting?.();
    await options.clock.sleep(POLL_MS, options.signal);
  }
}
