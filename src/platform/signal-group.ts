import { spawnSync } from "node:child_process";

/**
 * Sends a signal to a process group that we made (the pid of its leader). Windows has no groups: there the living process is ended, with
 * SIGKILL together with all that it has started. Gone is success.
 */
export function killGroup(leaderPid: number, signal: NodeJS.Signals): void {
  if (process.platform !== "win32") send(-leaderPid, signal);
  else if (signal !== "SIGKILL" || !endTree(leaderPid)) send(leaderPid, signal);
}

/** Kills one process. Gone is success. */
export function killProcess(pid: number): void {
  send(pid, "SIGKILL");
}

function send(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch (error) {
    // EPERM: on macOS a group of zombies answers so.
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}

/** Waits for the tool, because this is called where the process ends. It finds children by their parent, so the parent must still live. */
function endTree(pid: number): boolean {
  return spawnSync("taskkill", ["/T", "/F", "/PID", String(pid)], { stdio: "ignore", windowsHide: true }).status === 0;
}
