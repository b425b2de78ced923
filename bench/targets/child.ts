import { readFileSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A program that is measured, with a folder of its own; both are gone when this program ends, however it ends. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  readonly hasEnded: () => boolean;
}

export interface ChildFolder {
  readonly path: string;
  readonly remove: () => void;
}

export async function makeFolder(name: string): Promise<ChildFolder> {
  const path = await mkdtemp(join(tmpdir(), `${name}-bench-`));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export function startChild(words: readonly string[], options: { folder: ChildFolder; env?: Record<string, string | undefined> }): Child {
  const { folder, env = process.env } = options;
  const child = Bun.spawn([...words], { env, stdin: "ignore", stdout: "ignore", stderr: "inherit" });
  const end = () => {
    child.kill();
    while (isRunning(child.pid)) Bun.sleepSync(5); // It writes into its folder until it ends.
    folder.remove();
  };
  process.once("exit", end);
  return {
    pid: child.pid,
    hasEnded: () => child.exitCode !== null,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
      folder.remove();
      process.off("exit", end);
    },
  };
}

/** A zombie does not run: it waits for us to read how it ended. */
function isRunning(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
