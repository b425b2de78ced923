import { errorMessage } from "../../errors.ts";
import { SupervisedChild, type ProcessRecords } from "../../platform/index.ts";

/** Time for a compiler to remove its half-written object file after TERM, before KILL. */
const TERM_GRACE_MS = 2000;
/** Enough for every `--version` and `--list-devices`; a build prints more, and only its tail matters. */
const MAX_LINES = 1000;

export interface RunCommandOptions {
  readonly cwd?: string | undefined;
  /** Whole environment of the child; inherits ours when absent. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Lines of stdout and stderr as they come. */
  readonly onLine?: ((line: string) => void) | undefined;
  readonly records?: ProcessRecords | undefined;
  readonly timeoutMs?: number | undefined;
  /** Aborting ends the child and everything it has started. */
  readonly signal?: AbortSignal | undefined;
}

export interface CommandResult {
  /** `undefined` when a signal ended the program or it could not be executed at all; `failure` then says which. */
  readonly exitCode: number | undefined;
  readonly failure?: string | undefined;
  /** The last lines of stdout and stderr together, oldest first. */
  readonly lines: readonly string[];
}

/**
 * Runs a program to its end in a process group of its own. Any end of the program is a result, not an exception: callers say what it
 * means. A program that exceeds `timeoutMs` is ended, and that is its `failure`.
 * @throws `signal.reason` after an abort, once the whole group has gone.
 */
export async function runCommand(command: string, args: readonly string[], options: RunCommandOptions = {}): Promise<CommandResult> {
  const { cwd, env, onLine, records, timeoutMs, signal } = options;
  signal?.throwIfAborted();
  const lines: string[] = [];
  const keepLine = (line: string): void => {
    if (line.trim() === "") return;
    lines.push(line);
    if (lines.length > MAX_LINES) lines.shift();
    onLine?.(line);
  };
  let child: SupervisedChild;
  try {
    child = await SupervisedChild.spawn({ command, args, cwd, env, records, onLine: keepLine });
  } catch (error) {
    return { exitCode: undefined, failure: errorMessage(error), lines };
  }
  const stop = (): void => void child.stop({ stepMs: TERM_GRACE_MS });
  let hasTimedOut = false;
  const onTimeout = (): void => {
    hasTimedOut = true;
    stop();
  };
  const timer = timeoutMs === undefined ? undefined : setTimeout(onTimeout, timeoutMs);
  signal?.addEventListener("abort", stop, { once: true });
  // The abort may have come while the process was being started.
  if (signal?.aborted === true) stop();
  try {
    const exit = await child.exited;
    signal?.throwIfAborted();
    if (hasTimedOut) return { exitCode: undefined, failure: `no end after ${timeoutMs} ms`, lines };
    if (exit.code === null) return { exitCode: undefined, failure: `signal ${exit.signal}`, lines };
    return { exitCode: exit.code, lines };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}
