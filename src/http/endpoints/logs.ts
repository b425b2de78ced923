import * as v from "valibot";
import { formatLogLine, LOG_LEVELS, type Log } from "../../platform/index.ts";
import { saveLogLevel, type LogFilter, type LogHistory } from "../../router/index.ts";
import { RouterError } from "../../errors.ts";
import { endpoint, type Endpoint } from "../endpoint.ts";
import { eventResponse } from "../event-response.ts";
import { json } from "../json.ts";
import { logSocket } from "../log-socket.ts";
import { below, Success } from "../schemas.ts";

export interface LogEndpointOptions {
  readonly log: Log;
  readonly history: LogHistory;
  readonly cacheDir: string;
}

const Level = v.picklist(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(", ")}`);
const Filter = v.looseObject({ level: v.optional(Level), model: v.optional(v.string()) });

/** A comment this often keeps proxies from closing a stream on which nothing happens. */
const PING_MS = 20_000;

/** `log-level`, and the log as server-sent events; or over a web socket. */
export function logEndpoints({ log, history, cacheDir }: LogEndpointOptions): Endpoint[] {
  return [
    endpoint({
      method: "POST",
      paths: below("log-level"),
      scope: "admin",
      tag: "Server",
      summary: "Change the log level, now and for the next start",
      body: v.looseObject({ level: Level }),
      answers: { 200: { description: "It is changed", schema: Success } },
      async handle({ body: { level } }) {
        log.level = level;
        await saveLogLevel(cacheDir, level);
        return json({ status: "success", message: `Log level set to ${level}`, level });
      },
    }),
    endpoint({
      method: "GET",
      paths: below("logs/stream"),
      scope: "admin",
      tag: "Server",
      summary: "The last log lines and every new one, as server-sent events",
      query: Filter,
      answers: { 200: { description: "One event per line", contentType: "text/event-stream" } },
      handle: (call) => eventResponse(call, (left) => lineEvents(history, filterOf(call.query), left), { pingMs: PING_MS }),
    }),
    endpoint({
      method: "GET",
      paths: below("logs/ws"),
      scope: "admin",
      tag: "Server",
      summary: "The same over a web socket: one text frame per line",
      query: Filter,
      answers: { 101: { description: "The connection is a web socket now" } },
      handle({ query, connection }) {
        if (connection.upgrade(logSocket(history, filterOf(query)))) return new Response(null);
        throw new RouterError("INVALID_REQUEST", "This endpoint is a web socket: connect to it as one");
      },
    }),
  ];
}

function filterOf({ level, model }: v.InferOutput<typeof Filter>): LogFilter {
  return { level, source: model };
}

async function* lineEvents(history: LogHistory, filter: LogFilter, signal: AbortSignal): AsyncGenerator<string> {
  for await (const line of history.follow(filter, signal)) yield `data: ${JSON.stringify({ ...line, line: formatLogLine(line) })}\n\n`;
}
