import { TrieRouter } from "hono/router/trie-router";
import { Hono } from "hono/tiny";
import { RouterError } from "../errors.ts";
import { handlerOf, type Bindings } from "./handler.ts";
import type { Endpoint } from "./endpoint.ts";
import { errorAnswer } from "./error-answer.ts";
import { preflight } from "./security/index.ts";

export interface Routes {
  readonly fetch: (request: Request, bindings: Bindings) => Response | Promise<Response>;
}

/** What needs more than a look at method and path: named parts of paths, HEAD, OPTIONS, methods and paths that there are not. */
export function createRoutes(endpoints: readonly Endpoint[]): Routes {
  // hono's usual router makes one regular expression of all paths at the first request: 6 MB and some milliseconds for this many.
  const routes = new Hono<{ Bindings: Bindings }>({ router: new TrieRouter() });
  for (const endpoint of endpoints) {
    const handler = handlerOf(endpoint);
    for (const path of endpoint.paths) {
      routes.on(endpoint.method, path, async (c) => {
        const response = await handler(c.req.raw, c.env, c.req.param());
        return c.req.raw.method === "HEAD" ? await withoutBody(response) : response;
      });
    }
  }
  for (const [path, methods] of methodsByPath(endpoints)) {
    routes.options(path, (c) => preflight(c.req.raw, methods));
    routes.all(path, (c) => {
      const error = new RouterError("METHOD_NOT_ALLOWED", `${c.req.path} takes ${methods.join(" or ")}, not ${c.req.method}`);
      return errorAnswer(error, { headers: { allow: methods.join(", ") } });
    });
  }
  routes.notFound((c) => {
    throw new RouterError("ENDPOINT_NOT_FOUND", `There is no endpoint ${c.req.method} ${c.req.path}`);
  });
  routes.onError((error) => {
    throw error; // Rendered by whoever knows the caller.
  });
  return routes;
}

/** The headers of a GET. A stream that nobody reads would run on for ever, so it is ended. */
async function withoutBody(response: Response): Promise<Response> {
  await response.body?.cancel();
  return new Response(null, response);
}

function methodsByPath(endpoints: readonly Endpoint[]): Map<string, string[]> {
  const methods = new Map<string, string[]>();
  for (const { method, paths } of endpoints) {
    for (const path of paths) methods.set(path, [...(methods.get(path) ?? []), ...(method === "GET" ? ["GET", "HEAD"] : [method])]);
  }
  return methods;
}
