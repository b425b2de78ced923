import { Hono } from "hono";
import { renderError } from "../dialects/index.ts";
import { RouterError } from "../errors.ts";
import type { Log } from "../platform/index.ts";
import type { LogHistory, Router } from "../router/index.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Connection } from "./listen.ts";
import { inferenceEndpoints } from "./endpoints/inference.ts";
import { logEndpoints } from "./endpoints/logs.ts";
import { modelEndpoints } from "./endpoints/models.ts";
import { residencyEndpoints } from "./endpoints/residency.ts";
import { statsEndpoints } from "./endpoints/stats.ts";
import { json } from "./json.ts";

export interface AppOptions {
  readonly router: Router;
  readonly log: Log;
  readonly version: string;
  /** Where the log level is saved. */
  readonly cacheDir: string;
  readonly history: LogHistory;
}

/** Every endpoint of the server, in one table: routing, methods, keys and the OpenAPI document are made from it. */
export function allEndpoints(options: AppOptions): Endpoint[] {
  const { router, version } = options;
  return [
    ...inferenceEndpoints(router),
    ...modelEndpoints(router, { startedMs: Date.now() }),
    ...residencyEndpoints(router, { version }),
    ...statsEndpoints(router),
    ...logEndpoints(options),
  ];
}

export type App = Hono<{ Bindings: Connection }>;

/** The HTTP surface as one function from request to response; the listener is `listen`. */
export function createApp(options: AppOptions): App {
  const { log } = options;
  const app = new Hono<{ Bindings: Connection }>();
  const endpoints = allEndpoints(options);
  for (const { method, paths, answer } of endpoints) {
    for (const path of paths) app.on(method, path, async (c) => await answer(c.req.raw, { params: c.req.param(), connection: c.env }));
  }
  for (const [path, methods] of methodsByPath(endpoints)) {
    app.all(path, (c) => {
      const message = `${c.req.path} takes ${methods.join(" or ")}, not ${c.req.method}`;
      return json(renderError(new RouterError("METHOD_NOT_ALLOWED", message)).body, {
        status: 405,
        headers: { allow: methods.join(", ") },
      });
    });
  }
  app.notFound((c) => errorResponse(new RouterError("ENDPOINT_NOT_FOUND", `There is no endpoint ${c.req.method} ${c.req.path}`)));
  app.onError((error, c) => {
    if (c.req.raw.signal.aborted) return new Response(null, { status: CLIENT_CLOSED_REQUEST });
    if (error instanceof RouterError) log.debug("http", `${c.req.method} ${c.req.path}: ${error.code} ${error.message}`);
    else log.error("http", error.stack ?? error.message);
    return errorResponse(error);
  });
  return app;
}

function errorResponse(error: unknown): Response {
  const { status, body } = renderError(error);
  return json(body, { status });
}

function methodsByPath(endpoints: readonly Endpoint[]): Map<string, string[]> {
  const methods = new Map<string, string[]>();
  for (const { method, paths } of endpoints) {
    for (const path of paths) methods.set(path, [...(methods.get(path) ?? []), ...(method === "GET" ? ["GET", "HEAD"] : [method])]);
  }
  return methods;
}

/** nginx's number for a client that left before its answer; nobody reads it. */
const CLIENT_CLOSED_REQUEST = 499;
