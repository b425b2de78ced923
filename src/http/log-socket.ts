import { formatLogLine } from "../platform/index.ts";
import type { LogFilter, LogHistory } from "../router/index.ts";
import type { SocketSession } from "./listen.ts";

/** A web socket that gets the log: one text frame per line, ending in LF, the kept lines first; what the client sends is ignored. */
export function logSocket(history: LogHistory, filter: LogFilter): SocketSession {
  const left = new AbortController();
  return {
    async open(socket) {
      for await (const line of history.follow(filter, left.signal)) await socket.send(`${formatLogLine(line)}\n`);
    },
    close: () => left.abort(),
  };
}
