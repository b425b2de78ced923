import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { startLemonade, type Lemonade } from "../fixtures/index.ts";

/** What Lemonade's clients may ask for below each prefix, by the methods that they use. */
const GET = ["health", "logs/stream", "logs/ws", "migration/incompatible-models", "models", "models/tiny", "stats", "system-info"];
const POST = [
  "add-local-model",
  "chat/completions",
  "completions",
  "delete",
  "embeddings",
  "load",
  "log-level",
  "migration/cleanup",
  "params",
  "pull",
  "rerank",
  "reranking",
  "responses",
  "unload",
];
const PREFIXES = ["/api/v0", "/api/v1", "/v1"];
const below = (paths: readonly string[]) => PREFIXES.flatMap((prefix) => paths.map((path) => `${prefix}/${path}`));

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

describe("the endpoints of the map", () => {
  let server: Lemonade;
  beforeAll(async () => {
    server = await startLemonade();
  });
  afterAll(async () => await server[Symbol.asyncDispose]());
  const ask = async (method: string, path: string, init: RequestInit = {}) => {
    const response = await server.fetch(path, { method, ...init });
    const { status, headers } = response;
    return { status, allow: headers.get("allow")?.split(", "), headers, text: await response.text() };
  };

  test("HEAD is answered like GET, without a body", async () => {
    for (const path of below(GET)) {
      const { status, text } = await ask("HEAD", path);
      expect([path, status, text]).toEqual([path, path.endsWith("logs/ws") ? 400 : 200, ""]);
    }
  });

  test("an endpoint that is only posted to exists for HEAD and GET, too: it names its method", async () => {
    for (const path of below(POST)) {
      for (const method of ["HEAD", "GET", "PUT", "DELETE", "PATCH"]) {
        const { status, allow, text } = await ask(method, path);
        expect([method, path, status, allow]).toEqual([method, path, 405, ["POST"]]);
        if (method !== "HEAD")
          expect(JSON.parse(text)).toMatchObject({ detail: expect.stringContaining("POST"), error: { code: "method_not_allowed" } });
      }
    }
  });

  test("an endpoint that is only read refuses to be posted to", async () => {
    for (const path of below(GET)) expect(await ask("POST", path, { body: "{}" })).toMatchObject({ status: 405, allow: ["GET", "HEAD"] });
  });

  test("halt takes both", async () => {
    for (const path of below(["halt"])) {
      for (const method of ["HEAD", "GET", "POST"]) expect((await ask(method, path)).status).toBe(200);
      expect(await ask("PUT", path)).toMatchObject({ status: 405, allow: ["GET", "HEAD", "POST"] });
    }
  });

  test("a preflight names the methods of each", async () => {
    const origin = "http://localhost:3000";
    for (const path of below([...GET, ...POST, "halt"])) {
      const headers = { origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type" };
      const { status, headers: answered } = await ask("OPTIONS", path, { headers });
      expect([path, status, answered.get("access-control-allow-origin")]).toEqual([path, 204, origin]);
      expect(answered.get("access-control-allow-methods")).toMatch(/^(?:GET, HEAD|POST|GET, HEAD, POST)$/);
    }
  });

  test("a path that is none is not found, by any method", async () => {
    for (const path of ["/api/v0/nonexistent", "/api/v1/", "/api/v2/models", "/api/models/x/y", "/v1/chat", "/none", "/static"]) {
      for (const method of ["HEAD", "GET", "POST", "DELETE"]) {
        const { status, text } = await ask(method, path);
        expect([method, path, status]).toEqual([method, path, 404]);
        if (method !== "HEAD")
          expect(JSON.parse(text)).toMatchObject({ error: { code: "endpoint_not_found" }, detail: expect.any(String) });
      }
    }
  });

  test("whatever is described exists, and takes no other method", async () => {
    const { paths } = JSON.parse((await ask("GET", "/openapi.json")).text) as OpenApi;
    expect(Object.keys(paths).length).toBeGreaterThan(GET.length + POST.length);
    for (const [template, methods] of Object.entries(paths)) {
      const path = template.replace("/static/{path}", "/static/page.js").replaceAll(/\{\w+\}/g, "tiny");
      const { status } = await ask("HEAD", path);
      expect([path, [404, 500].includes(status)]).toEqual([path, false]);
      const { status: refused, allow = [] } = await ask("PUT", path);
      expect([path, refused]).toEqual([path, 405]);
      // An alias is described by a reference to the first path.
      const described = Object.keys(methods).filter((method) => method !== "$ref");
      expect([path, allow]).toEqual([path, expect.arrayContaining(described.map((method) => method.toUpperCase()))]);
    }
  });
});
