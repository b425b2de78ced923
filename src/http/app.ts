import { renderError } from "../dialects/index.ts";
import { RouterError } from "../errors.ts";
import { importLater, Lazy, outOfDescriptors, type Log } from "../platform/index.ts";
import type { LogHistory, Router, Settings } from "../router/index.ts";
import { Conversations } from "./conversations.ts";
import type { Endpoint } from "./endpoint.ts";
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
import { discourageRetry, errorAnswer } from "./error-answer.ts";
import { Generations } from "./generations.ts";
import { handlerOf, type Bindings, type Handler } from "./handler.ts";
import type { Connection } from "./listen.ts";
import { pathOf } from "./request-url.ts";
import { addCorsHeaders, checkSource, identify, redactionFor, type KnownKeys, type SourceRules } from "./security/index.ts";

export interface AppOptions extends KnownKeys {
  readonly router: Router;
  readonly settings: Settings;
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
    ...modelEndpoints(router, { startedMs: Date.now() }),
    ...libraryEndpoints(router),
    ...engineEndpoints(router.engines),
    ...residencyEndpoints(router, { version }),
    ...localModelEndpoints({ router, hubCacheDir: options.settings.hubCacheDir }),
    ...migrationEndpoints({ router, ...options.settings }),
    ...llamaCppRouterEndpoints(relaying),
    ...statsEndpoints(router),
    ...systemInfoEndpoints(options.router.engines),
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

/** The HTTP surface as one function from request to response; the listener is `listen`. */
export function createApp(options: AppOptions): App {
  const { log, sourceRules } = options;
  const endpoints = allEndpoints(options);
  const exact = exactRoutes(endpoints);
  // Loaded with the first request that needs it: most never do, and the router costs a start 10 ms and 4 MB.
  const otherRoutes = new Lazy(async () => {
    const { createRoutes } = await importLater(() => import("./routes.ts"));
    return createRoutes(endpoints);
  });
  return {
    async fetch(request, connection) {
      const requestId = requestIdOf(request);
      const identity = identify(request.headers, options);
      const bindings: Bindings = { connection, identity, renderError };
      let response: Response;
      let isSourceKnown = false;
      try {
        checkSource(request, sourceRules);
        isSourceKnown = true;
        const handler = exact.get(`${request.method} ${pathOf(request.url)}`);
        response = handler === undefined ? await (await otherRoutes.get()).fetch(request, bindings) : await handler(request, bindings, {});
      } catch (error) {
        response = errorResponse(error, { request, ...bindings, log, requestId });
      }
      response.headers.set("x-request-id", requestId);
      discourageRetry(response);
      const origin = request.headers.get("origin");
      // A page that may not use this server may not read why either.
      if (origin !== null && isSourceKnown) addCorsHeaders(response.headers, origin);
      return response;
    },
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

function errorResponse(thrown: unknown, call: Bindings & { request: Request; log: Log; requestId: string }): Response {
  const { request, identity, log, requestId } = call;
  const error = outOfDescriptors(thrown) ?? thrown;
  if (request.signal.aborted) return new Response(null, { status: CLIENT_CLOSED_REQUEST });
  const what = `${request.method} ${pathOf(request.url)} [${requestId}]`;
  if (error instanceof RouterError) log.debug("http", `${what}: ${error.code} ${error.message}`);
  else log.error("http", `${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return errorAnswer(error, { render: call.renderError, redact: redactionFor(identity) });
}

/** A client's own id when it is a harmless one, so that its log and ours can be joined. */
function requestIdOf(request: Request): string {
  const given = request.headers.get("x-request-id");
  return given !== null && /^[\w.:-]{1,128}$/.test(given) ? given : crypto.randomUUID();
}

/** nginx's number for a client that left before its answer; nobody reads it. */
const CLIENT_CLOSED_REQUEST = 499;
