import { toJsonSchema, type JsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";
import type { Answer, Endpoint } from "../endpoint.ts";
import { ErrorAnswer } from "../schemas.ts";
import { errorsByStatus } from "./error-answers.ts";
import type { Content, MethodName, OpenApiDocument, Operation, Parameter, PathItem, ResponseObject } from "./types.ts";

const DESCRIPTION = [
  "One server for local language models. Every path answers under all its aliases alike.",
  "Where API keys are in use, a request carries one as `Authorization: Bearer KEY` or `x-api-key: KEY`; without keys the server listens",
  "on this machine only and asks for none. A path that exists answers 405 with `Allow` to other methods, and an unknown one 404.",
  "`error.code` in an error's body is stable; the text is not.",
].join(" ");

/** Describes the endpoints as they are, from the schemas that check their requests. */
export function describeApi(endpoints: readonly Endpoint[], { version }: { readonly version: string }): OpenApiDocument {
  const byPath = Map.groupBy(
    endpoints.flatMap((endpoint) => endpoint.paths.map((path) => ({ path: openApiPath(path), endpoint }))),
    ({ path }) => path,
  );
  const tags = [...new Set(endpoints.map(({ tag }) => tag))].map((name) => ({ name }));
  const paths: Record<string, PathItem> = {};
  for (const [path, group] of byPath) {
    const here = group.map(({ endpoint }) => endpoint);
    const documented = openApiPath(here[0]?.paths[0] ?? path);
    const there = byPath.get(documented)?.map(({ endpoint }) => endpoint) ?? [];
    const isAlias = documented !== path && here.length === there.length && here.every((endpoint) => there.includes(endpoint));
    paths[path] = isAlias ? { $ref: `#/paths/${escapePointer(documented)}` } : describePath(path, here);
  }
  return {
    openapi: "3.1.1",
    info: { title: "lemon.ts", version, summary: "A server-router for local language models", description: DESCRIPTION },
    servers: [{ url: "/" }],
    tags,
    paths,
    components: {
      schemas: { Error: jsonSchema(ErrorAnswer, "output"), EngineError: ENGINE_ERROR },
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "An API key of this server; `lemonade keys add NAME` makes one" },
        apiKey: { type: "apiKey", in: "header", name: "x-api-key", description: "The same key, for clients that send it so" },
      },
    },
  };
}

/** What an engine answers when it refuses a request itself. */
const ENGINE_ERROR: JsonSchema = {
  type: "object",
  properties: { error: { type: "object", properties: { message: { type: "string" }, type: { type: "string" } }, required: ["message"] } },
  required: ["error"],
};

const ERROR_CONTENT: Content = { "application/json": { schema: { $ref: "#/components/schemas/Error" } } };
const RELAYED_ERROR_CONTENT: Content = {
  "application/json": { schema: { anyOf: [{ $ref: "#/components/schemas/Error" }, { $ref: "#/components/schemas/EngineError" }] } },
};

function describePath(path: string, endpoints: readonly Endpoint[]): PathItem {
  // Methods of one path that share the documented path of nobody else are described in place.
  return Object.fromEntries(endpoints.map((endpoint) => [methodName(endpoint), describeOperation(path, endpoint)]));
}

const methodName = ({ method }: Endpoint) => method.toLowerCase() as MethodName; // The table's methods are upper case.

function describeOperation(path: string, endpoint: Endpoint): Operation {
  const [first = "", ...aliases] = endpoint.paths.map(openApiPath);
  const parameters = [...pathParameters(endpoint), ...queryParameters(endpoint)];
  const content = requestContent(endpoint);
  const notes = [
    ...(endpoint.scope === "public" ? ["Needs no key."] : [`Needs a key with the scope \`${endpoint.scope}\`.`]),
    ...(aliases.length === 0 ? [] : [`Also at ${aliases.map((alias) => `\`${alias}\``).join(", ")}.`]),
  ];
  return {
    ...(path === first ? { operationId: operationId(endpoint, first) } : {}),
    tags: [endpoint.tag],
    summary: endpoint.summary,
    description: notes.join(" "),
    ...(parameters.length === 0 ? {} : { parameters }),
    // An empty body counts as an object without fields.
    ...(content === undefined ? {} : { requestBody: { required: endpoint.form !== undefined, content } }),
    responses: { ...describeAnswers(endpoint.answers), ...describeErrors(endpoint) },
    security: endpoint.scope === "public" ? [] : [{ bearer: [endpoint.scope] }, { apiKey: [endpoint.scope] }],
  };
}

function describeAnswers(answers: Readonly<Record<number, Answer>>): Record<string, ResponseObject> {
  return Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, describeAnswer(answer)]));
}

function describeAnswer({ description, schema, contentType, hasEvents = false }: Answer): ResponseObject {
  const content: Content = {
    ...(schema === undefined ? {} : { "application/json": { schema: jsonSchema(schema, "output") } }),
    ...(contentType === undefined ? {} : { [contentType]: contentType === EVENTS ? {} : { schema: { type: "string" } } }),
    ...(hasEvents ? { [EVENTS]: {} } : {}),
  };
  return Object.keys(content).length === 0 ? { description } : { description, content };
}

/** A schema would describe one event, which OpenAPI 3.1 cannot say. */
const EVENTS = "text/event-stream";

function describeErrors(endpoint: Endpoint): Record<string, ResponseObject> {
  const { relays = false } = endpoint;
  const errors = errorsByStatus(endpoint).map(([status, codes]) => {
    const description = codes.map((code) => `\`${code.toLowerCase()}\``).join(", ");
    return [status, { description, content: relays ? RELAYED_ERROR_CONTENT : ERROR_CONTENT }] as const;
  });
  const unsupported = { description: "The engine does not support what is asked for", content: RELAYED_ERROR_CONTENT };
  return { ...Object.fromEntries(errors), ...(relays ? { 501: unsupported } : {}) };
}

function pathParameters({ paths }: Endpoint): Parameter[] {
  return [...(paths[0] ?? "").matchAll(NAMED_PART)].map(([, name = "", pattern]) => ({
    name,
    in: "path",
    required: true,
    ...(pattern === undefined ? {} : { description: "May hold slashes, as they are or as `%2F`." }),
    schema: { type: "string", minLength: 1 },
  }));
}

function queryParameters({ query }: Endpoint): Parameter[] {
  if (query === undefined) return [];
  const { properties = {}, required = [] } = jsonSchema(query, "input");
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema: schema as JsonSchema, // No schema of ours is `true` or `false`.
  }));
}

function requestContent({ body, form }: Endpoint): Content | undefined {
  if (form !== undefined) return { "multipart/form-data": { schema: jsonSchema(form, "input") } };
  return body === undefined ? undefined : { "application/json": { schema: jsonSchema(body, "input") } };
}

/** `ignore`: what JSON Schema cannot say is checked all the same, and left out here. */
function jsonSchema(schema: v.GenericSchema, typeMode: "input" | "output"): JsonSchema {
  const { $schema: _dialect, ...rest } = toJsonSchema(schema, { target: "draft-2020-12", typeMode, errorMode: "ignore" });
  return rest;
}

/** A named part of a path in hono's syntax, `:id` or `:id{.+}`. */
const NAMED_PART = /:(\w+)(\{[^}]*\})?/g;

function openApiPath(path: string): string {
  return path.replaceAll(NAMED_PART, "{$1}");
}

/** `GET /api/v1/models/{id}` becomes `getModelsById`, and `GET /models`, which is llama.cpp's, `getRootModels`. */
function operationId(endpoint: Endpoint, path: string): string {
  const words = path
    .replace(/^\/(?!api\/v1\/)/, "/root/")
    .replace(/^\/api\/v1\//, "/")
    .replaceAll(/\{(\w+)\}/g, "by $1")
    .split(/\W+/)
    .filter((word) => word !== "");
  return methodName(endpoint) + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

function escapePointer(text: string): string {
  return text.replaceAll("~", "~0").replaceAll("/", "~1").replaceAll("{", "%7B").replaceAll("}", "%7D");
}
