import { join } from "node:path";
import { errorMessage } from "../../errors.ts";
import { isSameProcess, ProcessRecords } from "../../platform/index.ts";
import { directoriesFrom } from "../../router/index.ts";
import { EXIT } from "../exit-codes.ts";
import { findServer } from "../server-state.ts";

/** The server lets its streams finish for 10 s and gives each engine up to 10 s; after that it is killed. */
const GRACE_MS = 25_000;
const KILL_MS = 5000;
const POLL_MS = 20;

/** Ends the running server and everything it started; returns once its port is free. */
export async function stop(): Promise<number> {
  const { runDir } = directoriesFrom(process.env);
  const server = await findServer(runDir);
  const records = new ProcessRecords(join(runDir, "children"));
  if (server === undefined) {
    await records.reapLeftovers(); // A killed server may have left an engine behind.
    console.log("Lemonade Server is not running\n");
    return EXIT.success;
  }
  const isGone = async () => !(await isSameProcess(server.pid, server.identity));
  try {
    process.kill(server.pid, "SIGTERM");
    if (!(await within(GRACE_MS, isGone))) {
      process.kill(server.pid, "SIGKILL");
      if (!(await within(KILL_MS, isGone))) {
        console.log(`Timed out waiting for Lemonade Server (process ${server.pid}) to stop.`);
        return EXIT.stopTimedOut;
      }
    }
    await records.reapLeftovers();
  } catch (error) {
    if (!(await isGone())) {
      console.log(`Error stopping Lemonade Server: ${errorMessage(error)}`);
      return EXIT.stopFailed;
    }
  }
  console.log("Lemonade Server stopped successfully.");
  return EXIT.success;
}

async function within(ms: number, isTrue: () => Promise<boolean>): Promise<boolean> {
  for (const deadline = Date.now() + ms; Date.now() < deadline;) {
    if (await isTrue()) return true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return await isTrue();
}
