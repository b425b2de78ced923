import * as v from "valibot";
import { explainUseFailure, LlamaCppError } from "../../../dialects/llamacpp/index.ts";
import { endpoint, type Call, type Endpoint } from "../../endpoint.ts";
import { readBytes } from "../../read-body.ts";
import type { Detour } from "../../relay.ts";
import { relayCall, type RelayChoice, type RelayContext } from "../../relay-call.ts";
import { optional } from "../../schemas.ts";
import { throughChat } from "../../through-chat.ts";
import { answers, LLAMACPP } from "./facts.ts";
import { routerProps } from "./lists.ts";

interface Post {
  readonly paths: readonly string[];
  readonly summary: string;
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
  { paths: ["/slots/:id"], summary: "Save, restore or erase what a slot holds (`action`)" },
  { paths: ["/props"], summary: "Change the engine's properties" },
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
    ...POSTS.map(({ paths, summary, detour }) =>
      endpoint({
        ...LLAMACPP,
        method: "POST",
        paths,
        scope: "infer",
        summary,
        body: Body,
        answers: answers({ ...ANSWER, hasEvents: true }, 400, 404, 500, 501, 503),
        handle: async (call) =>
          await relayNamed(context, call, {
            model: call.body.model,
            path: pathOf(call.request),
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
    handle: async (call) => (call.query.model ? await question(context, call) : await routerProps(context.router)),
  });
}

/** Its body is an array, which has no place for a model: the query names it. */
function loraEndpoint(context: RelayContext): Endpoint {
  return endpoint({
    ...LLAMACPP,
    method: "POST",
    paths: ["/lora-adapters"],
    scope: "infer",
    summary: "Change the strength of adapters: an array of `id` and `scale`; the model is named by `?model=`",
    query: Query,
    answers: answers(ANSWER, 400, 404, 500, 501, 503),
    async handle(call) {
      const body = await readBytes(call.request);
      return await relayNamed(context, call, { model: call.query.model, path: pathOf(call.request), body });
    },
  });
}

/** Questions do not count as use: whoever watches a model does not keep it from making room. */
async function question(context: RelayContext, call: Call<undefined, v.InferOutput<typeof Query>>): Promise<Response> {
  return await relayNamed(context, call, { model: call.query.model, method: "GET", path: pathOf(call.request), isPassive: true });
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

/** The path as it was asked for, with its query. */
function pathOf({ url }: Request): string {
  return url.slice(url.indexOf("/", url.indexOf("//") + 2));
}
