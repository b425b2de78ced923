import { directoriesFrom } from "../../platform/index.ts";
import { EXIT } from "../exit-codes.ts";
import { findServer, serverUrl } from "../server-state.ts";

/** Prints one line that scripts compare, or with `json` what the server says of itself. */
export async function status({ json = false }: { json?: boolean | undefined }): Promise<number> {
  const server = await findServer(directoriesFrom(process.env).runDir);
  if (json) {
    const health = server === undefined ? undefined : await healthOf(serverUrl(server));
    const facts =
      server === undefined ? { running: false } : { running: true, pid: server.pid, port: server.port, url: serverUrl(server), health };
    console.log(JSON.stringify(facts, undefined, 2));
  } else console.log(server === undefined ? "Server is not running" : `Server is running on port ${server.port}`);
  return EXIT.success;
}

async function healthOf(url: string): Promise<unknown> {
  try {
    return await (await fetch(`${url}/api/v1/health`, { signal: AbortSignal.timeout(2000) })).json();
  } catch {
    return null; // It runs but does not answer: starting, or overloaded.
  }
}
