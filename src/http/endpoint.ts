import * as v from "valibot";
import { RouterError, type ErrorCode } from "../errors.ts";
import type { Connection } from "./listen.ts";
import { readBody, type Body } from "./read-body.ts";
import { queryOf } from "./request-url.ts";
import type { Identity } from "./security/index.ts";

/** What a caller must be allowed to do: ask models, manage them, or administer the server. `public` needs no key. */
export type Scope = "public" | "infer" | "manage" | "admin";

/** What an endpoint may answer with one status; described in the OpenAPI document, which is made from these tables. */
export interface Answer {
  readonly description: string;
  readonly schema?: v.GenericSchema | undefined;
  /** Content type of an answer that is no JSON. */
  readonly contentType?: string | undefined;
  /** Whether it may also come as server-sent events. */
  readonly hasEvents?: boolean | undefined;
}

/** One call of an endpoint, its parts checked. */
export interface Call<B, Q> {
  readonly request: Request;
  /** Aborted when the client leaves. */
  readonly signal: AbortSignal;
  /** Named parts of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Q;
  readonly body: B;
  /** The body as it came, for an engine that speaks the same dialect. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly connection: Connection;
  readonly identity: Identity;
}

/** Status and body of an error; `redact` takes out of its text what the caller shall not see. */
export type ErrorRenderer = (error: unknown, redact?: (text: string) => string) => { readonly status: number; readonly body: unknown };

export interface EndpointSpec<B, Q> {
  readonly method: "GET" | "POST" | "DELETE";
  /** Paths in hono's syntax; all of them answer alike. The first one is the documented one. */
  readonly paths: readonly string[];
  readonly scope: Scope;
  readonly tag: string;
  readonly summary: string;
  readonly query?: v.GenericSchema<unknown, Q> | undefined;
  /** Schema of a JSON body: loose, so that what we do not know reaches the engine. */
  readonly body?: v.GenericSchema<unknown, B> | undefined;
  /** Fields of a multipart form, which the handler reads itself as it comes: it may be larger than our memory. */
  readonly form?: v.GenericSchema | undefined;
  readonly answers: Readonly<Record<number, Answer>>;
  /** It hands the request to the engine of a model: what can go wrong on the way there, and what engines say themselves, is described. */
  readonly relays?: boolean | undefined;
  /** Codes of errors beside those that every endpoint of this scope and with such input may answer. */
  readonly errors?: readonly ErrorCode[] | undefined;
  /** How the dialect of these paths tells an error; by default in the form that OpenAI's and Lemonade's clients read. */
  readonly renderError?: ErrorRenderer | undefined;
  readonly handle: (call: Call<B, Q>) => Response | Promise<Response>;
}

/** What the application knows of a request beside the request itself. */
export interface CallContext {
  readonly params: Readonly<Record<string, string>>;
  readonly connection: Connection;
  readonly identity: Identity;
}

export type Endpoint = Omit<EndpointSpec<never, never>, "handle"> & {
  /** Checks the call against the schemas and handles it. Throws INVALID_REQUEST naming the field. */
  readonly answer: (request: Request, context: CallContext) => Promise<Response>;
};

/** Declares an endpoint: what it takes is checked, handed over typed and described by the same schemas. */
export function endpoint<B = undefined, Q = undefined>(spec: EndpointSpec<B, Q>): Endpoint {
  const { query: querySchema, body: bodySchema, handle, ...facts } = spec;
  return {
    ...facts,
    query: querySchema as v.GenericSchema<unknown, never> | undefined, // Only its description is read from here on.
    body: bodySchema as v.GenericSchema<unknown, never> | undefined,
    async answer(request, context) {
      const query = (
        querySchema === undefined ? undefined : check(querySchema, Object.fromEntries(queryOf(request.url) ?? []), "query")
      ) as Q;
      const read: Body = bodySchema === undefined ? EMPTY_BODY : await readBody(request);
      if (facts.form === undefined) context.connection.bodyIsRead();
      const body = (bodySchema === undefined ? undefined : checkBody(bodySchema, read.value)) as B;
      return await handle({ request, signal: request.signal, ...context, query, body, bytes: read.bytes });
    },
  };
}

const EMPTY_BODY: Body = { bytes: new Uint8Array(0), value: {} };

/** An object, or a list where the schema is one: to valibot a list passes for an object without fields. */
function checkBody<T>(schema: v.GenericSchema<unknown, T>, value: unknown): T {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject && schema.type !== "array") throw new RouterError("INVALID_REQUEST", "The request body must be a JSON object");
  return check(schema, value, "field");
}

function check<T>(schema: v.GenericSchema<unknown, T>, value: unknown, what: "query" | "field"): T {
  const parsed = v.safeParse(schema, value);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const path = v.getDotPath(issue);
  const place = what === "query" ? "The query parameter" : "The field";
  const isMissing = issue.received === "undefined";
  throw new RouterError(
    "INVALID_REQUEST",
    path === null ? issue.message : `${place} ${path}${isMissing ? " is missing" : `: ${issue.message}`}`,
  );
}
