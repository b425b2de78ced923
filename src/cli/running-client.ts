import { LemonadeClient } from "../client/index.ts";
import { serverUrl, type ServerState } from "./server-state.ts";

/** The client of a running server; a model may load for minutes, so nothing times out. */
export function clientOf(server: ServerState): LemonadeClient {
  return new LemonadeClient({
    url: serverUrl(server),
    apiKey: server.commandKey,
    fetch: async (url, init) => await fetch(url, { ...init, timeout: false }),
  });
}
