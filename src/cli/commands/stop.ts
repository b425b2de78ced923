import { errorMessage } from "../../errors.ts";
import { directoriesFrom } from "../../platform/index.ts";
import { endLeftovers, endServer } from "../end-server.ts";
import { EXIT } from "../exit-codes.ts";
import { findServer } from "../server-state.ts";

/** Ends the running server and everything it started; returns once its port is free. */
export async function stop(): Promise<number> {
  const { runDir } = directoriesFrom(process.env);
  const server = await findServer(runDir);
  if (server === undefined) {
    await endLeftovers(runDir); // A killed server may have left an engine behind.
    console.log("Lemonade Server is not running\n");
    return EXIT.success;
  }
  try {
    if (!(await endServer(server, runDir))) {
      console.log(`Timed out waiting for Lemonade Server (process ${server.pid}) to stop.`);
      return EXIT.stopTimedOut;
    }
  } catch (error) {
    console.log(`Error stopping Lemonade Server: ${errorMessage(error)}`);
    return EXIT.stopFailed;
  }
  console.log("Lemonade Server stopped successfully.");
  return EXIT.success;
}
