import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { killOnExit } from "./kill-on-exit.ts";
import { LineSplitter } from "./line-splitter.ts";
import { newChildMark } from "./marked-processes.ts";
import type { ProcessRecords } from "./process-records.ts";
import { killGroup } from "./signal-group.ts";

/** How a process ended: an exit code, or the signal that ended it. */
export interface ExitInfo {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How a process ended, for people: `exit code 1`, `signal SIGKILL`. */
export function describeExit(exit: ExitInfo): string {
  return exit.signal === null ? `exit code ${exit.code}` : `signal ${exit.signal}`;
}

export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly cwd?: string | undefined;
  /** Gets every line of both output streams, without its line end. A text that it returns is kept in the tail in place of the line. */
  readonly onLine?: ((line: string, stream: "stdout" | "stderr") => string | void) | undefined;
  /** Where the child is remembered while it lives, for the next start of a killed parent. */
  readonly records?: ProcessRecords | undefined;
}

export interface StopSteps {
  /** A line written to the child's standard input to ask it to end; without one the first step is SIGTERM. */
  readonly exitLine?: string | undefined;
  /** How long each polite step may take, in milliseconds. Defaults to 5000. */
  readonly stepMs?: number | undefined;
}

/** How long a child may take to follow its exit line: nobody uses it any more, and it has nothing to save. */
const EXIT_LINE_MS = 1000;
/** Lines of output kept per child for error messages. */
const LOG_TAIL_LINES = 200;
/** How long we wait for the pipes of an ended child: a grandchild may hold them open for ever. */
const CLOSE_PIPES_MS = 500;

/**
 * One child process in its own group. Its standard input stays open for its whole life: engines end when it closes, so none outlives
 * a killed parent; where this process ends in an orderly way the group is killed at once. Its output is always drained and the last
 * lines are kept.
 */
export class SupervisedChild implements AsyncDisposable {
  readonly pid: number;
  /** Settles once the process is gone; the end of its output may still be on its way. Never rejects. */
  readonly ended: Promise<ExitInfo>;
  /** Settles once the process is gone and its output has been read. Never rejects. */
  readonly exited: Promise<ExitInfo>;
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #tail: string[] = [];
  #exit: ExitInfo | undefined;
  #wasKilled = false;
  #stopping: Promise<ExitInfo> | undefined;

  private constructor(child: ChildProcessWithoutNullStreams, pid: number, options: ChildOptions) {
    this.#process = child;
    this.pid = pid;
    // Writing to a child that has just died is not an error of ours: its exit tells.
    child.stdin.on("error", () => {});
    const drained = (["stdout", "stderr"] as const).map((stream) => this.#drain(stream, options.onLine));
    this.ended = new Promise<ExitInfo>((resolve) => {
      child.once("exit", (code, signal) => {
        this.#exit = { code, signal };
        // What the child forked does not outlive it. On Windows its pid may be another's by now.
        if (process.platform !== "win32") killGroup(pid, "SIGKILL");
        resolve(this.#exit);
      });
    });
    this.exited = this.#cleanUp(drained, options.records);
  }

  /** Starts a program; rejects, and leaves none behind, when it cannot be executed or remembered. */
  static async spawn(options: ChildOptions): Promise<SupervisedChild> {
    const { mark, env } = newChildMark();
    const child = spawn(options.command, [...options.args], {
      cwd: options.cwd,
      env: { ...(options.env ?? process.env), ...env },
      stdio: ["pipe", "pipe", "pipe"],
      detached: process.platform !== "win32", // A group of its own, so that a signal reaches what the child forks.
      windowsHide: true,
    });
    if (child.pid !== undefined) child.once("exit", killOnExit(child.pid));
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    if (child.pid === undefined) throw new Error(`${options.command} started without a process id`);
    const supervised = new SupervisedChild(child, child.pid, options);
    try {
      await options.records?.add(child.pid, { command: options.command, mark });
    } catch (error) {
      // Nobody gets hold of it, and the next start would not find it.
      supervised.kill();
      await supervised.exited;
      throw error;
    }
    return supervised;
  }

  /** The exit of a process that is gone, else undefined. */
  get exit(): ExitInfo | undefined {
    return this.#exit;
  }

  /** The signal that ended it, unless we sent it. */
  get foreignSignal(): NodeJS.Signals | undefined {
    return this.#wasKilled ? undefined : (this.#exit?.signal ?? undefined);
  }

  /** The last lines of output, oldest first. */
  logTail(): readonly string[] {
    return [...this.#tail];
  }

  writeLine(line: string): void {
    if (this.#process.stdin.writable) this.#process.stdin.write(`${line}\n`);
  }

  /** Asks (exit line), then SIGTERM, then SIGKILL to the whole group; each polite step has `stepMs`. Calls are joined. */
  stop(steps: StopSteps = {}): Promise<ExitInfo> {
    this.#stopping ??= this.#stop(steps);
    return this.#stopping;
  }

  /** Kills the whole group at once, also while `stop` still waits; `exited` tells when it is gone. */
  kill(): void {
    if (this.#exit === undefined) this.#send("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop({ exitLine, stepMs = 5000 }: StopSteps): Promise<ExitInfo> {
    if (exitLine !== undefined) {
      this.writeLine(exitLine);
      if (await this.#goneWithin(Math.min(stepMs, EXIT_LINE_MS))) return await this.exited;
      // llama-server loses a line that comes just when it has become ready; the end of its input ends it at once, but together with
      // SIGTERM it aborts.
      this.#process.stdin.end();
      if (await this.#goneWithin(Math.min(stepMs, EXIT_LINE_MS))) return await this.exited;
    }
    if (this.#exit === undefined) this.#send("SIGTERM");
    if (!(await this.#goneWithin(stepMs))) this.#send("SIGKILL");
    return await this.exited;
  }

  #send(signal: NodeJS.Signals): void {
    this.#wasKilled = true;
    killGroup(this.pid, signal);
  }

  async #goneWithin(ms: number): Promise<boolean> {
    if (this.#exit !== undefined) return true;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    await Promise.race([this.ended, promise]);
    clearTimeout(timer);
    return this.#exit !== undefined;
  }

  async #cleanUp(drained: readonly Promise<void>[], records: ProcessRecords | undefined): Promise<ExitInfo> {
    const exit = await this.ended;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, CLOSE_PIPES_MS);
    await Promise.race([Promise.all(drained), promise]);
    clearTimeout(timer);
    for (const stream of [this.#process.stdin, this.#process.stdout, this.#process.stderr]) stream.destroy();
    // A record that stays names a process that is gone: the next start sees that and removes it.
    await records?.remove(this.pid).catch(() => {});
    return exit;
  }

  #drain(stream: "stdout" | "stderr", onLine: ChildOptions["onLine"]): Promise<void> {
    const lines = new LineSplitter((line) => {
      this.#tail.push(onLine?.(line, stream) ?? line);
      if (this.#tail.length > LOG_TAIL_LINES) this.#tail.shift();
    });
    const source = this.#process[stream];
    source.on("data", (chunk: Buffer) => lines.push(chunk));
    source.on("error", () => {});
    return new Promise((resolve) => {
      source.once("close", () => {
        lines.end();
        resolve();
      });
    });
  }
}
