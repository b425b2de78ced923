import { errorMessage } from "../../../errors.ts";
import { acquireFileLock } from "../../../platform/index.ts";
import { ProcessIoError } from "./errors.ts";

/** How long to wait for a lock, and how. */
export interface FileLockWait {
  /** How long another holder is waited for, in milliseconds. Defaults to 180 000. */
  readonly timeoutMs?: number | undefined;
  /** Pause between two looks at the lock, in milliseconds. Defaults to 1000. */
  readonly pollMs?: number | undefined;
  /** Aborting ends the wait; an `action` that runs is not interrupted. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs an action while holding a lock that no other process holds: a file that names its holder. The lock of a process that is gone is
 * taken over; it is released when the action ends, however it ends.
 * @throws {@link ProcessIoError} when the lock was not given in time, or its file cannot be written.
 */
export async function withFileLock<T>(path: string, options: FileLockWait, action: () => Promise<T> | T): Promise<T> {
  const { timeoutMs = 180_000, pollMs = 1000, signal } = options;
  const deadline = AbortSignal.timeout(timeoutMs);
  let lock: AsyncDisposable;
  try {
    lock = await acquireFileLock(path, { pollMs, signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]) });
  } catch (error) {
    signal?.throwIfAborted();
    const source = deadline.aborted ? `Timeout waiting for exclusive lock after ${timeoutMs / 1000}s` : errorMessage(error);
    throw new ProcessIoError("with_path", { path, source }, { cause: error });
  }
  try {
    return await action();
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}
