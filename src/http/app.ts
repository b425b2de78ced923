import { TrieRouter } from "hono/router/trie-router";
import { Hono } from "hono/tiny";
import { renderError } from "../dialects/index.ts";
import { RouterError } from "../errors.ts";
import type { Log } from "../platform/index.ts";
import type { LogHistory, Router, Settings, SystemReporter } from "../router/index.ts";
import { Conversations } from "./conversations.ts";
import type { Endpoint, ErrorRenderer } from "./endpoint.ts";
import { engineEndpoints } from "./endpoints/engines.ts";
import { haltEndpoints } from "./endpoints/halt.ts";
import { inferenceEndpoints } from "./endpoints/inference.ts";
import { libraryEndpoints } from "./endpoints/library.ts";
import { localModelEndpoints } from "./endpoints/local-models.ts";
import { llamaCppRouterEndpoints } from "./endpoints/llamacpp-router/index.ts";
import { logEndpoints } from "./endpoints/logs.ts";
import { migrationEndpoints } from "./endpoints/migration.ts";
import { modelEndpoints } from "./endpoints/models.ts";
import { openApiEndpoints } from "./endpoints/openapi.ts";
import { residencyEndpoints } from "./endpoints/residency.ts";
import { shutdownEndpoint } from "./endpoints/shutdown.ts";
import { statsEndpoints } from "./endpoints/stats.ts";
import { systemInfoEndpoints } from "./endpoints/system-info.ts";
import { webEndpoints } from "./endpoints/web.ts";
import { Generations } from "./generations.ts";
import type { Connection } from "./listen.ts";
import { json } from "./json.ts";
import {
  addCorsHeaders,
  authorize,
  checkSource,
  identify,
  preflight,
  redactForStrangers,
  type Identity,
  type KnownKeys,
  type SourceRules,
} from "./security/index.ts";

export interface AppOptions extends KnownKeys {
  readonly router: Router;
  readonly settings: Settings;
  readonly system: SystemReporter;
  readonly log: Log;
  readonly version: string;
  /** Where the log level is saved. */
  readonly cacheDir: string;
  readonly history: LogHistory;
  readonly sourceRules: SourceRules;
  /** Called when the command asks the server to end. */
  readonly onShutdown: () => void;
}

/** Every endpoint of the server, in one table: routing, methods, keys and the OpenAPI document are made from it. */
export function allEndpoints(options: AppOptions): Endpoint[] {
  const { router, version } = options;
  const generations = new Generations();
  const relaying = { router, generations, conversations: new Conversations() };
  const endpoints: Endpoint[] = [
    ...inferenceEndpoints(relaying),
    ...haltEndpoints(router, generations),
    ...modelEndpoints(router, { startedMs: Date.now(), system: options.system }),
    ...libraryEndpoints(router),
    ...engineEndpoints(router.engines),
    ...residencyEndpoints(router, { version }),
    ...localModelEndpoints({ router, hubCacheDir: options.settings.hubCacheDir }),
    ...migrationEndpoints({ router, ...options.settings }),
    ...llamaCppRouterEndpoints(relaying),
    ...statsEndpoints(router),
    ...systemInfoEndpoints(options.system),
    ...logEndpoints(options),
    shutdownEndpoint(options),
    ...webEndpoints({ router, webappDir: options.settings.webappDir }),
    ...openApiEndpoints(() => endpoints, { version }),
  ];
  return endpoints;
}

export interface App {
  readonly fetch: (request: Request, connection: Connection) => Promise<Response>;
}

/** What the routes know of a request beside the request itself. */
interface Bindings {
  readonly connection: Connection;
  readonly identity: Identity;
  /** Set by the route that is taken: how its dialect tells errors. */
  renderError: ErrorRenderer;
}

/** The HTTP surface as one function from request to response; the listener is `listen`. */
export function createApp(options: AppOptions): App {
  const { log, sourceRules } = options;
  const endpoints = allEndpoints(options);
  const exact = exactRoutes(endpoints);
  const routes = createRoutes(endpoints);
  return {
    async fetch(request, connection) {
      const requestId = requestIdOf(request);
      const identity = identify(request.headers, options);
      const bindings: Bindings = { connection, identity, renderError };
      let response: Response;
      try {
        checkSource(request, sourceRules);
        const handler = exact.get(`${request.method} ${pathOf(request.url)}`);
        response = handler === undefined ? await routes.fetch(request, bindings) : await handler(request, bindings, {});
      } catch (error) {
        response = errorResponse(error, { request, ...bindings, log, requestId });
      }
      response.headers.set("x-request-id", requestId);
      const origin = request.headers.get("origin");
      if (origin !== null && response.status !== FORBIDDEN_SOURCE) addCorsHeaders(response.headers, origin);
      return response;
    },
  };
}

/** Answers one endpoint, once the route is known. */
type Handler = (request: Request, bindings: Bindings, params: Readonly<Record<string, string>>) => Promise<Response>;

function handlerOf({ scope, answer, renderError: render = renderError }: Endpoint): Handler {
  return async (request, bindings, params) => {
    bindings.renderError = render;
    authorize(bindings.identity, scope);
    return await answer(request, { params, ...bindings });
  };
}

/** Endpoints by method and path, for paths without named parts: one look here is a quarter of the work of a router. */
function exactRoutes(endpoints: readonly Endpoint[]): ReadonlyMap<string, Handler> {
  const routes = new Map<string, Handler>();
  for (const endpoint of endpoints) {
    const handler = handlerOf(endpoint);
    for (const path of endpoint.paths) {
      const key = `${endpoint.method} ${path}`;
      if (!/[:*{}]/.test(path) && !routes.has(key)) routes.set(key, handler);
    }
  }
  return routes;
}

/** The path of an absolute URL as it was sent: one that needs decoding is left to the router. */
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  const end = url.indexOf("?", start);
  return url.slice(start, end === -1 ? undefined : end);
}

function createRoutes(endpoints: readonly Endpoint[]): Hono<{ Bindings: Bindings }> {
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
      return json(renderError(error).body, { status: 405, headers: { allow: methods.join(", ") } });
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

function errorResponse(error: unknown, call: Bindings & { request: Request; log: Log; requestId: string }): Response {
  const { request, identity, log, requestId } = call;
  if (request.signal.aborted) return new Response(null, { status: CLIENT_CLOSED_REQUEST });
  const what = `${request.method} ${new URL(request.url).pathname} [${requestId}]`;
  if (error instanceof RouterError) log.debug("http", `${what}: ${error.code} ${error.message}`);
  else log.error("http", `${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  const { status, body } = call.renderError(error, identity.scopes.includes("admin") ? undefined : redactForStrangers);
  return json(body, { status });
}

/** A client's own id when it is a harmless one, so that its log and ours can be joined. */
function requestIdOf(request: Request): string {
  const given = request.headers.get("x-request-id");
  return given !== null && /^[\w.:-]{1,128}$/.test(given) ? given : crypto.randomUUID();
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
/** A page that may not use this server may not read why either. */
const FORBIDDEN_SOURCE = 403;
