import { expect, test } from "bun:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import * as v from "valibot";
import { endpoint } from "../endpoint.ts";
import { describeApi } from "./describe-api.ts";
import { docsPage } from "./docs-page.ts";

const ok = { 200: { description: "The answer", schema: v.object({ status: v.literal("ok") }) } };
const handle = () => new Response();
const ENDPOINTS = [
  endpoint({ method: "GET", paths: ["/live"], scope: "public", tag: "Server", summary: "Lives", answers: ok, handle }),
  endpoint({
    method: "GET",
    paths: ["/api/v1/models/:id{.+}", "/v1/models/:id{.+}"],
    scope: "infer",
    tag: "Models",
    summary: "One `model` <b>",
    query: v.looseObject({ details: v.optional(v.string()), size: v.pipe(v.string(), v.regex(/^\d+$/)) }),
    answers: ok,
    handle,
  }),
  endpoint({
    method: "POST",
    paths: ["/api/v1/load", "/v1/load"],
    scope: "manage",
    tag: "Models",
    summary: "Load",
    body: v.looseObject({ model: v.string(), args: v.optional(v.array(v.string())) }),
    answers: ok,
    renderError: () => ({ status: 418, body: {} }),
    handle,
  }),
];
const document = describeApi(ENDPOINTS, { version: "1.2.3" });

test("the description is valid OpenAPI 3.1", async () => {
  expect(await new Validator().validate(JSON.parse(JSON.stringify(document)))).toMatchObject({ valid: true });
});

test("a path with slashes, its queries and its aliases are described", () => {
  expect(document.paths["/api/v1/models/{id}"]?.get).toMatchObject({
    operationId: "getModelsById",
    description: "Needs a key with the scope `infer`. Also at `/v1/models/{id}`.",
    parameters: [
      { name: "id", in: "path", required: true, description: "May hold slashes, as they are or as `%2F`." },
      { name: "details", in: "query", required: false, schema: { type: "string" } },
      { name: "size", in: "query", required: true, schema: { type: "string", pattern: "^\\d+$" } },
    ],
    security: [{ bearer: ["infer"] }, { apiKey: ["infer"] }],
  });
  expect(document.paths["/v1/load"]).toEqual({ $ref: "#/paths/~1api~1v1~1load" });
});

test("errors stand under the statuses that the endpoint's own dialect gives them", () => {
  expect(Object.keys(document.paths["/live"]?.get?.responses ?? {})).toEqual(["200", "403", "500"]);
  expect(Object.keys(document.paths["/api/v1/models/{id}"]?.get?.responses ?? {})).toContain("401");
  expect(Object.keys(document.paths["/api/v1/load"]?.post?.responses ?? {})).toEqual(["200", "418"]);
});

test("the page escapes what it shows and loads nothing", async () => {
  const page = await docsPage(document);
  expect(page).toContain("<code>model</code> &lt;b&gt;");
  expect(page).not.toMatch(/<script|src=|https?:\/\/(?!json-schema)/);
});
