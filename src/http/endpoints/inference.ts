import * as v from "valibot";
import { chatRequestOf, echoPrompt, responsesThroughChat, simpleResponses, type Translation } from "../../dialects/index.ts";
import { RouterError } from "../../errors.ts";
import type { ModelKind } from "../../model/index.ts";
import type { Router } from "../../router/index.ts";
import { endpoint, type Answer, type Call, type Endpoint } from "../endpoint.ts";
import { CHAT, Message, Prompt, RESPONSES, SAMPLING, stream } from "../inference-fields.ts";
import { GenerationDefaults, GenerationParams } from "../generation-defaults.ts";
import { json } from "../json.ts";
import type { Detour } from "../relay.ts";
import { relayCall, type RelayContext } from "../relay-call.ts";
import { below, ModelName, optional, Success } from "../schemas.ts";

type Fields = Readonly<Record<string, unknown>>;

/** An endpoint that the engines speak themselves: the body goes to them as it came, unless something has to change. */
interface Inference {
  readonly paths: readonly string[];
  /** Where the engine has it. */
  readonly enginePath: string;
  readonly kind: ModelKind;
  readonly summary: string;
  readonly fields: v.ObjectEntries;
  /** How an engine that lacks the path is asked instead. */
  readonly detour?: ((fields: Fields) => Detour) | undefined;
  readonly translate?: ((fields: Fields, call: { model: string; request: Request }) => Translation | undefined) | undefined;
}

const Texts = v.array(v.union([v.string(), v.looseObject({})]), "must be an array");

const INFERENCE: readonly Inference[] = [
  {
    paths: below("chat/completions"),
    enginePath: "/v1/chat/completions",
    kind: "text",
    summary: "Answer a conversation",
    fields: { messages: v.array(Message, "must be an array of messages"), stream, ...SAMPLING, ...CHAT },
  },
  {
    paths: below("completions"),
    enginePath: "/v1/completions",
    kind: "text",
    summary: "Continue a text",
    fields: { prompt: Prompt, stream, echo: optional(v.boolean("must be true or false")), ...SAMPLING },
    translate: ({ echo, prompt }) => (echo === true && typeof prompt === "string" ? echoPrompt(prompt) : undefined),
  },
  {
    paths: below("responses"),
    enginePath: "/v1/responses",
    kind: "text",
    summary: "OpenAI's Responses API; below `/api`, its stream has the three kinds of events that Lemonade's clients know",
    fields: { input: v.union([v.string(), v.array(v.looseObject({}))], "must be a text or an array of items"), stream, ...RESPONSES },
    detour: (fields) => ({ path: "/v1/chat/completions", body: encode(chatRequestOf(fields)), translation: responsesThroughChat() }),
    translate: (_fields, { model, request }) => (new URL(request.url).pathname.startsWith("/api/") ? simpleResponses(model) : undefined),
  },
  {
    paths: below("embeddings"),
    enginePath: "/v1/embeddings",
    kind: "embedding",
    summary: "Turn texts into vectors",
    fields: { input: Prompt },
  },
  {
    paths: [...below("reranking"), ...below("rerank"), ...below("reranker")],
    enginePath: "/v1/rerank",
    kind: "reranking",
    summary: "Order documents by their relevance to a query",
    fields: { query: v.string("must be a text"), documents: v.optional(Texts) },
  },
];

const ANSWERS: Readonly<Record<number, Answer>> = {
  200: {
    description: "The engine's answer as it came; server-sent events when `stream` is true",
    schema: v.looseObject({}),
    hasEvents: true,
  },
};

export function inferenceEndpoints(context: RelayContext): Endpoint[] {
  const defaults = new GenerationDefaults();
  return [...INFERENCE.map((inference) => inferenceEndpoint(context, { inference, defaults })), paramsEndpoint(defaults)];
}

interface InferenceOptions {
  readonly inference: Inference;
  readonly defaults: GenerationDefaults;
}

function inferenceEndpoint(context: RelayContext, options: InferenceOptions): Endpoint {
  const { router } = context;
  const { paths, enginePath, kind, summary, fields, translate, detour } = options.inference;
  return endpoint({
    method: "POST",
    paths,
    scope: "infer",
    tag: "Inference",
    summary,
    body: v.looseObject({ model: optional(ModelName), ...fields }),
    answers: ANSWERS,
    async handle(call: Call<{ model?: string | null | undefined } & Fields, undefined>) {
      const { body, bytes, request } = call;
      const model = body.model ?? defaultModel(router, kind);
      const changed = kind === "text" ? options.defaults.applyTo(body) : undefined;
      return await relayCall(context, call, {
        model,
        kind,
        path: enginePath,
        body: changed === undefined ? bytes : encode(changed),
        translation: translate?.(body, { model, request }),
        mendsRefusals: true,
        detour: detour && (() => detour(changed ?? body)),
      });
    },
  });
}

const encode = (fields: Fields) => new TextEncoder().encode(JSON.stringify(fields));

function paramsEndpoint(defaults: GenerationDefaults): Endpoint {
  return endpoint({
    method: "POST",
    paths: below("params"),
    scope: "manage",
    tag: "Inference",
    summary: "Set generation parameters for requests that say nothing of their own, until the server ends",
    body: GenerationParams,
    answers: { 200: { description: "All parameters as they now are", schema: Success } },
    handle: ({ body }) => json({ status: "success", message: "Generation parameters set successfully", params: defaults.set(body) }),
  });
}

/** A request without a model means the one that is loaded, as in Lemonade. */
function defaultModel(router: Router, kind: ModelKind): string {
  const loaded = router.status().find((status) => status.kind === kind && status.state !== "stopping" && status.state !== "failed");
  if (loaded !== undefined) return loaded.model;
  throw new RouterError("INVALID_REQUEST", "The field model is missing, and no model is loaded that could be meant");
}
