import { killGroup } from "./signal-group.ts";

/** The groups of our living children. One set for the process, because the end of a process is one event. */
const leaders = new Set<number>();

/**
 * Kills a process group when this process ends in an orderly way (`process.exit`, an uncaught error, an empty event loop). A signal
 * leaves no time for that: there the children's standard input closes, and what ignores it is found by its record.
 * @returns A function that forgets the group again, to be called once its leader is gone: the system gives pids anew.
 */
export function killOnExit(leaderPid: number): () => void {
  if (leaders.size === 0) process.on("exit", killAll);
  leaders.add(leaderPid);
  return () => {
    leaders.delete(leaderPid);
    if (leaders.size === 0) process.off("exit", killAll);
  };
}

function killAll(): void {
  for (const pid of leaders) killGroup(pid, "SIGKILL");
}
