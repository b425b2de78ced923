import { renderError } from "../dialects/index.ts";
import type { Endpoint, ErrorRenderer } from "./endpoint.ts";
import type { Connection } from "./listen.ts";
import { authorize, type Identity } from "./security/index.ts";

/** What the routes know of a request beside the request itself. */
export interface Bindings {
  readonly connection: Connection;
  readonly identity: Identity;
  /** Set by the route that is taken: how its dialect tells errors. */
  renderError: ErrorRenderer;
}

/** Answers one endpoint, once the route is known. */
export type Handler = (request: Request, bindings: Bindings, params: Readonly<Record<string, string>>) => Promise<Response>;

export function handlerOf({ scope, answer, renderError: render = renderError }: Endpoint): Handler {
  return async (request, bindings, params) => {
    bindings.renderError = render;
    authorize(bindings.identity, scope);
    return await answer(request, { params, ...bindings });
  };
}
