import { Hono } from "hono";
import { renderError } from "../dialects/index.ts";
import { RouterError } from "../errors.ts";
import type { Log } from "../platform/index.ts";
import type { Router } from "../router/index.ts";
import type { Endpoint } from "./endpoint.ts";
import { inferenceEndpoints } from "./endpoints/inference.ts";
import { modelEndpoints } from "./endpoints/models.ts";
import { residencyEndpoints } from "./endpoints/residency.ts";
import { json } from "./json.ts";

export interface AppOptions {
  readonly router: Router;
  readonly log: Log;
  readonly version: string;
}

/** Every endpoint of the server, in one table: routing, methods, keys and the OpenAPI document are made from it. */
export function allEndpoints({ router, version }: AppOptions): Endpoint[] {
  return [...inferenceEndpoints(router), ...modelEndpoints(router, { startedMs: Date.now() }), ...residencyEndpoints(router, { version })];
}

/** The HTTP surface as one function from request to response; the listener is `listen`. */
export function createApp(options: AppOptions): Hono {
  const { log } = options;
  const app = new Hono();
  const endpoints = allEndpoints(options);
  for (const { method, paths, answer } of endpoints) {
    for (const path of paths) app.on(method, path, async (c) => await answer(c.req.raw, c.req.param()));
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
    if (!(error instanceof RouterError)) log.error("http", error.stack ?? error.message);
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
