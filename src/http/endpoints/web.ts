import { readFile } from "node:fs/promises";
import { RouterError } from "../../errors.ts";
import type { CatalogEntry, Router } from "../../router/index.ts";
import { endpoint, type Call, type Endpoint } from "../endpoint.ts";
import { fillPage } from "../page-template.ts";
import { shownPath, type Identity } from "../security/index.ts";
import { fileResponse, findStaticFile, NO_CACHE, typeOf } from "../static-file.ts";
import { importLater } from "../../platform/index.ts";

export interface WebOptions {
  readonly router: Router;
  /** A folder with another page instead of ours. */
  readonly webappDir: string | undefined;
}

/** Our page runs its own script, asks its own server and is shown in nobody's frame. */
const STRICT_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** Other pages bring scripts in their text, and from where they like. */
const LOOSE_POLICY = "frame-ancestors 'self'";

/** The page that a browser gets, and the files that it asks for. Neither needs a key: a key is what the page asks its user for. */
export function webEndpoints({ router, webappDir }: WebOptions): Endpoint[] {
  return [
    endpoint({
      method: "GET",
      paths: ["/", "/webapp.html"],
      scope: "public",
      tag: "Web",
      summary: "The web page",
      answers: { 200: { description: "The page", contentType: "text/html" } },
      handle: async (call) => (webappDir === undefined ? await ownPage() : await otherPage(webappDir, { router, call })),
    }),
    endpoint({
      method: "GET",
      paths: ["/static/:path{.+}"],
      scope: "public",
      tag: "Web",
      summary: "A file that the page asks for",
      answers: { 200: { description: "The file", contentType: "application/octet-stream" } },
      async handle({ params: { path = "" } }) {
        const file =
          webappDir === undefined
            ? (await importLater(() => import("../own-page.ts"))).OWN_FILES.get(path)
            : await findStaticFile(webappDir, path);
        if (file === undefined) throw new RouterError("ENDPOINT_NOT_FOUND", `There is no file ${JSON.stringify(path)} of the page`);
        return await fileResponse(file);
      },
    }),
  ];
}

async function ownPage(): Promise<Response> {
  const { OWN_PAGE } = await importLater(() => import("../own-page.ts"));
  return pageResponse(await readFile(OWN_PAGE, "utf8"), STRICT_POLICY);
}

/** The page that Lemonade shipped, or any other one with an index. */
async function otherPage(folder: string, { router, call }: { router: Router; call: Call<undefined, undefined> }): Promise<Response> {
  const file = (await findStaticFile(folder, "webapp.html")) ?? (await findStaticFile(folder, "index.html"));
  if (file === undefined) throw new RouterError("ENDPOINT_NOT_FOUND", `The folder ${folder} holds neither webapp.html nor index.html`);
  const { request, identity } = call;
  const page = fillPage(await readFile(file, "utf8"), {
    port: Number(new URL(request.url).port || 80),
    models: identity.scopes.includes("infer") ? (await router.catalog.list({ all: true })).map((entry) => shownEntry(entry, identity)) : [],
    platform: process.platform,
  });
  return pageResponse(page, LOOSE_POLICY);
}

function shownEntry(entry: CatalogEntry, identity: Identity): CatalogEntry {
  const { checkpoint, mmproj } = entry;
  return { ...entry, checkpoint: shownPath(checkpoint, identity), mmproj: mmproj === undefined ? undefined : shownPath(mmproj, identity) };
}

function pageResponse(page: string, policy: string): Response {
  const headers = {
    ...NO_CACHE,
    "content-type": typeOf("page.html"),
    "content-security-policy": policy,
    "x-content-type-options": "nosniff",
  };
  return new Response(page, { headers });
}
