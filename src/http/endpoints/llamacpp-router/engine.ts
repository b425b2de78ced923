import * as v from "valibot";
import type { Translation } from "../../../dialects/index.ts";
import { explainUseFailure, LlamaCppError } from "../../../dialects/llamacpp/index.ts";
import { endpoint, type Call, type Endpoint, type Scope } from "../../endpoint.ts";
import type { Detour } from "../../relay.ts";
import { targetOf } from "../../request-url.ts";
import { relayCall, type RelayChoice, type RelayContext } from "../../relay-call.ts";
import { optional } from "../../schemas.ts";
import { shownPath, type Identity } from "../../security/index.ts";
import { throughChat } from "../../through-chat.ts";
import { answers, LLAMACPP } from "./facts.ts";
import { routerProps } from "./lists.ts";

interface Post {
  readonly paths: readonly string[];
  readonly summary: string;
  /** Defaults to asking; what changes the engine for everybody is for those who manage models. */
  readonly scope?: Scope;
  /** How an engine that lacks the path is asked instead. */
  readonly detour?: (fields: Readonly<Record<string, unknown>>) => Detour;
}

/** Paths of the engine that a request reaches by the `model` in its body; the engine gets it as it came. */
const POSTS: readonly Post[] = [
  { paths: ["/chat/completions"], summary: "Answer a conversation" },
  { paths: ["/chat/completions/input_tokens", "/v1/chat/completions/input_tokens"], summary: "Count the tokens of a conversation" },
  { paths: ["/v1/chat/completions/control"], summary: "Change a running answer, such as the end of its reasoning" },
  { paths: ["/responses"], summary: "OpenAI's Responses API", detour: throughChat },
  { paths: ["/responses/input_tokens", "/v1/responses/input_tokens"], summary: "Count the tokens of a Responses request" },
  { paths: ["/completion", "/completions"], summary: "Continue a text, in llama.cpp's own form" },
  { paths: ["/infill"], summary: "Fill a gap in code" },
  { paths: ["/embedding", "/embeddings"], summary: "Turn texts into vectors, in llama.cpp's own form" },
  { paths: ["/rerank", "/reranking"], summary: "Order documents by their relevance to a query" },
  { paths: ["/tokenize"], summary: "Text into tokens" },
  { paths: ["/detokenize"], summary: "Tokens into text" },
  { paths: ["/apply-template"], summary: "A conversation as the text that the model sees" },
  { paths: ["/slots/:id"], summary: "Save, restore or erase what a slot holds (`action`)", scope: "manage" },
  { paths: ["/props"], summary: "Change the engine's properties", scope: "manage" },
];

/** Paths of the engine that a request reaches by `?model=`. */
const GETS: readonly { readonly path: string; readonly summary: string; readonly contentType?: string }[] = [
  { path: "/slots", summary: "What the slots of an engine do" },
  { path: "/metrics", summary: "The counters of an engine", contentType: "text/plain" },
  { path: "/lora-adapters", summary: "The adapters of an engine" },
];

const Body = v.looseObject({ model: optional(v.string()) });
const Query = v.looseObject({ model: v.optional(v.string()), autoload: v.optional(v.string()) });
const ANSWER = { description: "The engine's answer as it came" };

/** The engine's own endpoints, relayed by model. */
export function engineEndpoints(context: RelayContext): Endpoint[] {
  return [
    ...POSTS.map(({ paths, summary, scope = "infer", detour }) =>
      endpoint({
        ...LLAMACPP,
        method: "POST",
        paths,
        scope,
        summary,
        body: Body,
        answers: answers({ ...ANSWER, hasEvents: true }, 400, 404, 500, 501, 503),
        relays: true,
        handle: async (call) =>
          await relayNamed(context, call, {
            model: call.body.model,
            path: targetOf(call.request.url),
            body: call.bytes,
            detour: detour && (() => detour(call.body)),
          }),
      }),
    ),
    ...GETS.map(({ path, summary, contentType }) =>
      endpoint({
        ...LLAMACPP,
        method: "GET",
        paths: [path],
        scope: "infer",
        summary,
        query: Query,
        answers: answers({ ...ANSWER, contentType }, 400, 404, 500, 501, 503),
        relays: true,
        handle: async (call) => await question(context, call),
      }),
    ),
    propsEndpoint(context),
    loraEndpoint(context),
  ];
}

function propsEndpoint(context: RelayContext): Endpoint {
  return endpoint({
    ...LLAMACPP,
    method: "GET",
    paths: ["/props"],
    scope: "infer",
    summary: "The properties of the router, or with `model` those of its engine",
    query: Query,
    answers: answers({ description: "The properties", schema: v.looseObject({ build_info: v.string() }) }, 400, 404, 500, 503),
    relays: true,
    handle: async (call) => (call.query.model ? await question(context, call) : await routerProps(context.router)),
  });
}

/** Its body is an array, which has no place for a model: the query names it. */
function loraEndpoint(context: RelayContext): Endpoint {
  return endpoint({
    ...LLAMACPP,
    method: "POST",
    paths: ["/lora-adapters"],
    scope: "manage",
    summary: "Change the strength of adapters: an array of `id` and `scale`; the model is named by `?model=`",
    query: Query,
    body: v.array(v.looseObject({}), "The request body must be an array of adapters"),
    answers: answers(ANSWER, 400, 404, 500, 501, 503),
    relays: true,
    handle: async (call) =>
      await relayNamed(context, call, { model: call.query.model, path: targetOf(call.request.url), body: call.bytes }),
  });
}

/** Questions do not count as use: whoever watches a model does not keep it from making room. */
async function question(context: RelayContext, call: Call<undefined, v.InferOutput<typeof Query>>): Promise<Response> {
  const { query, request, identity } = call;
  const choice = { method: "GET", path: targetOf(request.url), isPassive: true, translation: withShownPaths(identity) } as const;
  return await relayNamed(context, call, { ...choice, model: query.model });
}

/** What an engine tells of itself, with as much of `model_path`, and of an adapter's `path`, as its reader may see. */
function withShownPaths(identity: Identity): Translation | undefined {
  if (identity.scopes.includes("admin")) return undefined;
  const shorten = (key: string, value: unknown): unknown =>
    /(?:^|_)path$/.test(key) && typeof value === "string" ? shownPath(value, identity) : value;
  return {
    events: (text) => text,
    whole: (text) => (/^[[{]/.test(text) ? JSON.stringify(JSON.parse(text, shorten)) : text), // The counters are no JSON.
  };
}

type NamedChoice = Omit<RelayChoice, "model"> & { readonly model: string | null | undefined };

async function relayNamed(context: RelayContext, call: Call<unknown, unknown>, { model, ...choice }: NamedChoice): Promise<Response> {
  if (!model) throw new LlamaCppError("INVALID_REQUEST", "model name is missing from the request");
  // As in llama.cpp a request downloads nothing, unless the preset file names the model.
  const isPreset = context.router.presets.isNamed(model);
  const mayDownload = isPreset && call.identity.scopes.includes("manage");
  try {
    return await relayCall(context, call, { ...choice, model, mayDownload });
  } catch (error) {
    throw explainUseFailure(model, error, { isListed: isPreset });
  }
}
