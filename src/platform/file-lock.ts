import { link, mkdir, readFile, readlink, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as v from "valibot";
import { isSameProcess, processIdentity } from "./process-identity.ts";

/** The holder touches its file this often, for waiters on other machines: they cannot look at its process. */
const HEARTBEAT_MS = 5000;
const SILENT_FOR_MS = 60_000;
const POLL_MS = 250;

/** Outside Linux a program is asked for it, which takes much longer than most locks are held. */
let ownIdentity: Promise<string | undefined> | undefined;

const LockContent = v.object({ token: v.string(), pid: v.number(), identity: v.string(), machine: v.string() });
type LockContent = v.InferOutput<typeof LockContent>;

export interface FileLockOptions {
  /** Called once when somebody else holds the lock, with a description of the holder. */
  readonly onWait?: ((holder: string) => void) | undefined;
  /** Pause between two looks at a lock that somebody else holds, in milliseconds. Defaults to 250. */
  readonly pollMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Takes an exclusive lock, a file that names its holder, and waits while the holder lives. The lock of a dead process is taken over:
 * at once when it ran on this machine, after a minute without heartbeat otherwise. Disposing releases the lock.
 */
export async function acquireFileLock(path: string, { onWait, pollMs = POLL_MS, signal }: FileLockOptions = {}): Promise<AsyncDisposable> {
  await mkdir(dirname(path), { recursive: true });
  const machine = await machineName();
  const own: LockContent = {
    token: crypto.randomUUID(),
    pid: process.pid,
    identity: (await (ownIdentity ??= processIdentity(process.pid))) ?? "",
    machine,
  };
  const silence = new SilenceWatch();
  let hasToldWait = false;
  while (true) {
    signal?.throwIfAborted();
    if (await createExclusively(path, JSON.stringify(own))) return new HeldLock(path, own.token);
    const found = await readLock(path);
    if (found !== undefined) {
      if (await isAbandoned(found, machine, silence)) {
        await removeAbandoned(path, found);
        continue;
      }
      if (!hasToldWait) onWait?.(found.content === undefined ? "another process" : `process ${found.content.pid}`);
      hasToldWait = true;
    }
    await sleep(pollMs, undefined, signal === undefined ? {} : { signal }).catch((error: unknown) => {
      throw signal?.aborted === true ? signal.reason : error;
    });
  }
}

/** Where a process id means something: containers that share a folder and even a host name still have their own process ids. */
async function machineName(): Promise<string> {
  const processNamespace = await readlink("/proc/self/ns/pid").catch(() => "");
  return `${hostname()} ${processNamespace}`.trim();
}

/** Writes the whole content before the name appears, so that no reader meets a half-written lock. */
async function createExclusively(path: string, text: string): Promise<boolean> {
  const temporary = `${path}.${crypto.randomUUID()}`;
  try {
    await writeFile(temporary, text);
    await link(temporary, path);
    return true;
  } catch (error) {
    switch ((error as NodeJS.ErrnoException).code) {
      case "EEXIST":
        return false;
      // File systems without hard links (exFAT, some network mounts) still create exclusively.
      case "EPERM":
      case "ENOTSUP":
      case "EOPNOTSUPP":
      case "ENOSYS":
        return await createDirectly(path, text);
      default:
        throw error;
    }
  } finally {
    await rm(temporary, { force: true });
  }
}

async function createDirectly(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: "wx" });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Windows answers EPERM while another process is removing the file.
    if (code === "EEXIST" || (code === "EPERM" && process.platform === "win32")) return false;
    throw error;
  }
}

interface FoundLock {
  readonly text: string;
  readonly mtimeMs: number;
  readonly content: LockContent | undefined;
}

async function readLock(path: string): Promise<FoundLock | undefined> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(path, "utf8"), stat(path)]);
    return { text, mtimeMs, content: parseContent(text) };
  } catch (error) {
    // Released between our two looks at it: the next try takes it.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function parseContent(text: string): LockContent | undefined {
  try {
    return v.parse(LockContent, JSON.parse(text));
  } catch {
    return undefined;
  }
}

async function isAbandoned(found: FoundLock, machine: string, silence: SilenceWatch): Promise<boolean> {
  const { content } = found;
  if (content?.machine === machine) return !(await isSameProcess(content.pid, content.identity));
  return silence.isOver(`${found.mtimeMs} ${found.text}`);
}

/** Measures silence on our own clock, so that neither a wrong clock elsewhere nor a laptop's sleep makes a lock look abandoned. */
class SilenceWatch {
  #seen = "";
  #sinceMs = 0;

  isOver(seen: string): boolean {
    if (seen !== this.#seen) {
      this.#seen = seen;
      this.#sinceMs = performance.now();
    }
    return performance.now() - this.#sinceMs > SILENT_FOR_MS;
  }
}

async function removeAbandoned(path: string, abandoned: FoundLock): Promise<void> {
  const aside = `${path}.${crypto.randomUUID()}`;
  try {
    await rename(path, aside);
    // Another waiter may have been faster, and what we moved is its fresh lock: give it back.
    if ((await readFile(aside, "utf8")) !== abandoned.text) await link(aside, path).catch(() => undefined);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

class HeldLock implements AsyncDisposable {
  readonly #path: string;
  readonly #token: string;
  readonly #heartbeat: NodeJS.Timeout;

  constructor(path: string, token: string) {
    this.#path = path;
    this.#token = token;
    this.#heartbeat = setInterval(() => void this.#touch(), HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#heartbeat);
    if (await this.#isOurs()) await rm(this.#path, { force: true });
  }

  async #touch(): Promise<void> {
    const now = new Date();
    if (await this.#isOurs()) await utimes(this.#path, now, now).catch(() => undefined);
  }

  async #isOurs(): Promise<boolean> {
    const found = await readLock(this.#path).catch(() => undefined);
    return found?.content?.token === this.#token;
  }
}
