/** Sends a signal to a process group that we made (the pid of its leader), or on Windows to the process. Gone is success. */
export function killGroup(leaderPid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(process.platform === "win32" ? leaderPid : -leaderPid, signal);
  } catch (error) {
    // EPERM: on macOS a group of zombies answers so.
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}
