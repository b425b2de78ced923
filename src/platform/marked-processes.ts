import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";

/** The variable of their environment by which a child of ours and all that it forks can be told from every other process. */
const MARK_VARIABLE = "LEMONADE_CHILD";

export interface ChildMark {
  readonly mark: string;
  readonly env: Readonly<Record<string, string>>;
}

export function newChildMark(): ChildMark {
  const mark = crypto.randomUUID();
  return { mark, env: { [MARK_VARIABLE]: mark } };
}

/** Every process that has one of the marks in its environment, under any parent and in any group; none on Windows, which hides environments. */
export async function findMarked(marks: readonly string[]): Promise<readonly { readonly pid: number; readonly mark: string }[]> {
  if (marks.length === 0 || process.platform === "win32") return [];
  const environments = process.platform === "linux" ? await linuxEnvironments() : await otherEnvironments();
  return environments.flatMap(({ pid, environment }) => {
    const mark = marks.find((one) => environment.includes(`${MARK_VARIABLE}=${one}`));
    return mark === undefined ? [] : [{ pid, mark }];
  });
}

type Environments = readonly { readonly pid: number; readonly environment: string }[];

/** proc(5); those of other users cannot be read, and a process that is gone has none. */
async function linuxEnvironments(): Promise<Environments> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const read = async (pid: string) => ({
    pid: Number(pid),
    environment: await readFile(`/proc/${pid}/environ`, "latin1").catch(() => ""),
  });
  return await Promise.all(pids.map(read));
}

/** `-E` shows the environment after the command, of the user's own processes. */
async function otherEnvironments(): Promise<Environments> {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-E", "-ww", "-o", "pid=,command="], { maxBuffer: 64 * 2 ** 20 });
  return stdout.split("\n").map((line) => ({ pid: Number.parseInt(line, 10), environment: line }));
}
