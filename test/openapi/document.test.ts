import { expect, test } from "bun:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import type { OpenApiDocument } from "../../src/http/openapi/types.ts";
import { startLemonade } from "../fixtures/index.ts";

test("a server describes itself as valid OpenAPI, every alias included, and shows it as a page", async () => {
  await using server = await startLemonade();
  const response = await server.fetch("/openapi.json");
  expect(response.headers.get("content-type")).toBe("application/json");
  const document = (await response.json()) as OpenApiDocument;
  expect(await new Validator().validate(JSON.parse(JSON.stringify(document)))).toMatchObject({ valid: true });
  for (const path of ["/v1/chat/completions", "/api/v0/models/{id}", "/api/v1/load", "/openapi.json"]) {
    expect(Object.keys(document.paths)).toContain(path);
  }
  const operations = Object.values(document.paths).flatMap((item) => [item.get, item.post, item.put, item.patch, item.delete]);
  const ids = operations.flatMap((operation) => operation?.operationId ?? []);
  expect(ids).toEqual([...new Set(ids)]);
  // Whatever hands a request to an engine may find it busy, halted, dead or without room on the disk.
  for (const [path, method] of [
    ["/api/v1/chat/completions", "post"],
    ["/completion", "post"],
    ["/slots", "get"],
    ["/metrics", "get"],
    ["/props", "get"],
    ["/lora-adapters", "get"],
    ["/lora-adapters", "post"],
    ["/v1/stream", "get"],
  ] as const) {
    const statuses = Object.keys(document.paths[path]?.[method]?.responses ?? {});
    // llama.cpp's paths tell of a dead engine with 500.
    const expected = ["410", "429", "500", "501", "503", "507"];
    expect([path, statuses]).toEqual([path, expect.arrayContaining(expected)]);
  }
  expect(Object.keys(document.paths["/api/v1/halt"]?.post?.responses ?? {})).not.toContain("429");
  const page = await server.fetch("/docs");
  expect(page.headers.get("content-type")).toStartWith("text/html");
  expect(await page.text()).toContain("/api/v1/chat/completions");
});

test("the description is open to everybody where keys are asked for", async () => {
  await using server = await startLemonade({ env: { LEMONADE_API_KEY: "a key that the reader does not have" } });
  expect((await server.fetch("/openapi.json")).status).toBe(200);
  expect((await server.fetch("/docs")).status).toBe(200);
  expect((await server.fetch("/api/v1/models")).status).toBe(401);
});
