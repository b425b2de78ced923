import { LemonadeClient } from "../client/index.ts";
import { serverUrl, type ServerState } from "./server-state.ts";

/** The client of a running server. */
export function clientOf(server: ServerState): LemonadeClient {
  return new LemonadeClient({ url: serverUrl(server), apiKey: server.commandKey });
}
