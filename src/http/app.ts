import { Hono } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { renderError } from "../dialects/index.ts";
import { RouterError } from "../errors.ts";
import type { Log } from "../platform/index.ts";
import type { Router } from "../router/index.ts";
import { addInference } from "./endpoints/inference.ts";
import { addModels } from "./endpoints/models.ts";
import { addResidency } from "./endpoints/residency.ts";

/** Lemonade's two prefixes and the one that OpenAI clients add to a bare address. */
const PREFIXES = ["/api/v0", "/api/v1", "/v1"] as const;

export interface AppOptions {
  readonly router: Router;
  readonly log: Log;
  readonly version: string;
}

/** The HTTP surface as one function from request to response; the listener is `listen`. */
export function createApp({ router, log, version }: AppOptions): Hono {
  const app = new Hono();
  const prefixes = PREFIXES;
  addInference(app, { router, prefixes });
  addModels(app, { router, prefixes, startedMs: Date.now() });
  addResidency(app, { router, prefixes, version });
  app.notFound((c) => {
    const { body } = renderError(new RouterError("ENDPOINT_NOT_FOUND", `There is no endpoint ${c.req.method} ${c.req.path}`));
    return c.json(body, 404);
  });
  app.onError((error, c) => {
    if (c.req.raw.signal.aborted) return new Response(null, { status: CLIENT_CLOSED_REQUEST });
    if (!(error instanceof RouterError)) log.error("http", error.stack ?? error.message);
    const { status, body } = renderError(error);
    return c.json(body, status as ContentfulStatusCode); // The catalogue holds statuses that carry a body.
  });
  return app;
}

/** nginx's number for a client that left before its answer; nobody reads it. */
const CLIENT_CLOSED_REQUEST = 499;
