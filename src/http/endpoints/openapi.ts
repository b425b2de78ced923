import * as v from "valibot";
import { endpoint, type Endpoint } from "../endpoint.ts";
import { json } from "../json.ts";
import { importLater, Lazy } from "../../platform/index.ts";

const Document = v.looseObject({ openapi: v.string(), info: v.looseObject({}), paths: v.looseObject({}) });

/** The description of all endpoints, for programs and for people. Made when it is first asked for: `serve` starts without it. */
export function openApiEndpoints(endpoints: () => readonly Endpoint[], { version }: { readonly version: string }): Endpoint[] {
  const document = new Lazy(async () => {
    const { describeApi } = await importLater(() => import("../openapi/describe-api.ts"));
    return describeApi(endpoints(), { version });
  });
  return [
    endpoint({
      method: "GET",
      paths: ["/openapi.json"],
      scope: "public",
      tag: "Server",
      summary: "This description, as OpenAPI 3.1",
      answers: { 200: { description: "The document", schema: Document } },
      handle: async () => json(await document.get()),
    }),
    endpoint({
      method: "GET",
      paths: ["/docs"],
      scope: "public",
      tag: "Server",
      summary: "This description, as a page",
      answers: { 200: { description: "The page", contentType: "text/html" } },
      async handle() {
        const { docsPage } = await importLater(() => import("../openapi/docs-page.ts"));
        return new Response(await docsPage(await document.get()), {
          headers: { "content-type": "text/html; charset=utf-8", ...PAGE_HEADERS },
        });
      },
    }),
  ];
}

/** The page runs no script and loads nothing. */
const PAGE_HEADERS = { "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'", "cache-control": "no-cache" };
