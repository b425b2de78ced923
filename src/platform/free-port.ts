import { createServer } from "node:net";

/** A TCP port that is free on loopback now. Another program may take it before its user does: callers retry with a new one. */
export async function pickFreePort(host = "127.0.0.1"): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: 0, host }, resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("The system gave no port number");
  return address.port;
}
