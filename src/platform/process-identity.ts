import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * A text that names one process for good: its start time beside its pid, because the system gives a pid again once its process is
 * gone. `undefined` when no such process lives (a zombie counts as gone).
 */
export async function processIdentity(pid: number): Promise<string | undefined> {
  try {
    if (process.platform === "linux") return await linuxIdentity(pid);
    if (process.platform === "win32") {
      const { stdout } = await run("powershell.exe", ["-NoProfile", "-Command", `(Get-Process -Id ${pid}).StartTime.Ticks`]);
      return stdout.trim() || undefined;
    }
    const { stdout } = await run("ps", ["-o", "stat=,lstart=", "-p", String(pid)]);
    const [state = "", ...started] = stdout.trim().split(/\s+/);
    return state === "" || state.startsWith("Z") ? undefined : started.join(" ");
  } catch {
    // The file or the process is gone, or the tool answers with an exit code because it is.
    return undefined;
  }
}

async function linuxIdentity(pid: number): Promise<string | undefined> {
  const [stat, bootId] = await Promise.all([
    readFile(`/proc/${pid}/stat`, "utf8"),
    readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => ""),
  ]);
  // proc(5): the name is in parentheses and may hold spaces; after it come the state (field 3) and the start time (field 22) in
  // clock ticks since boot.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, startTicks] = [fields[0], fields[19]];
  return state === "Z" || startTicks === undefined ? undefined : `${bootId.trim()}:${startTicks}`;
}

/** Whether the process with this pid is still the one that had `identity`. */
export async function isSameProcess(pid: number, identity: string): Promise<boolean> {
  return (await processIdentity(pid)) === identity;
}
