import { join } from "node:path";
import { isSameProcess, ProcessRecords } from "../platform/index.ts";
import type { ServerState } from "./server-state.ts";

/** The server lets its streams finish for 10 s and gives each engine up to 10 s; after that it is killed. */
const GRACE_MS = 25_000;
const KILL_MS = 5000;
const POLL_MS = 20;

/** Ends what a killed server has left behind. */
export async function endLeftovers(runDir: string): Promise<void> {
  await new ProcessRecords(join(runDir, "children")).reapLeftovers();
}

/**
 * Ends a running server and everything it started: asks, waits, kills. Resolves once its port is free, or to false when even killing
 * did not help.
 */
export async function endServer(server: Pick<ServerState, "pid" | "identity">, runDir: string): Promise<boolean> {
  const isGone = async () => !(await isSameProcess(server.pid, server.identity));
  try {
    process.kill(server.pid, "SIGTERM");
    if (!(await within(GRACE_MS, isGone))) {
      process.kill(server.pid, "SIGKILL");
      if (!(await within(KILL_MS, isGone))) return false;
    }
  } catch (error) {
    if (!(await isGone())) throw error; // It ended between our look and our signal.
  }
  await endLeftovers(runDir);
  return true;
}

async function within(ms: number, isTrue: () => Promise<boolean>): Promise<boolean> {
  for (const deadline = Date.now() + ms; Date.now() < deadline;) {
    if (await isTrue()) return true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return await isTrue();
}
