import { errorMessage, RouterError } from "../errors.ts";
import { outOfDescriptors } from "./out-of-descriptors.ts";

/** Where {@link pickFreePort} looks. */
export interface FreePortOptions {
  /** Address on which the port shall be free. Defaults to `127.0.0.1`. */
  readonly host?: string | undefined;
  /** First and last port to try, both included; the lowest free one is taken. By default the system chooses. */
  readonly range?: readonly [number, number] | undefined;
}

/**
 * A TCP port that is free now. Another program may take it before its user does: callers retry with a new one.
 * @throws `RouterError` with `PORT_IN_USE` when no port of the range is free; the cause is the last refusal.
 */
export async function pickFreePort({ host = "127.0.0.1", range }: FreePortOptions = {}): Promise<number> {
  if (range === undefined) return await bindOnce(0, host);
  let refusal: unknown;
  for (let port = range[0]; port <= range[1]; port++) {
    try {
      return await bindOnce(port, host);
    } catch (error) {
      refusal = error;
    }
  }
  throw new RouterError("PORT_IN_USE", `No port from ${range[0]} to ${range[1]} is free on ${host}: ${errorMessage(refusal)}`, {
    cause: refusal,
  });
}

async function bindOnce(port: number, host: string): Promise<number> {
  const { createServer } = await import("node:net"); // Not before an engine starts: it costs a server's start 6 MB.
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(outOfDescriptors(error) ?? error));
    // Exclusive: Node would otherwise ask the primary process of a cluster, which may share a port that is taken.
    server.listen({ port, host, exclusive: true }, resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("The system gave no port number");
  return address.port;
}
