import * as v from "valibot";
import { completionsAsAsked, engineChatFields, promptsOf, simpleResponses, type Translation } from "../../dialects/index.ts";
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
import { throughChat } from "../through-chat.ts";

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
  /** The fields as the engine reads them, or undefined when they are so already. */
  readonly prepare?: ((fields: Fields, request: Request) => Fields | undefined) | undefined;
  /** What the engine leaves to us; `ask` asks it something else beforehand. */
  readonly translate?: ((fields: Fields, call: TranslatedCall) => Translation | undefined | Promise<Translation>) | undefined;
}

interface TranslatedCall {
  readonly model: string;
  readonly request: Request;
  readonly ask: (path: string, body: Fields) => Promise<Response>;
}

const Texts = v.array(v.union([v.string(), v.looseObject({})]), "must be an array");

const INFERENCE: readonly Inference[] = [
  {
    paths: below("chat/completions"),
    enginePath: "/v1/chat/completions",
    kind: "text",
    summary: "Answer a conversation",
    fields: { messages: v.array(Message, "must be an array of messages"), stream, ...SAMPLING, ...CHAT },
    prepare: (fields, request) => engineChatFields(fields, { isOfPage: isBelowApi(request) }),
  },
  {
    paths: below("completions"),
    enginePath: "/v1/completions",
    kind: "text",
    summary: "Continue a text",
    fields: { prompt: Prompt, stream, echo: optional(v.boolean("must be true or false")), ...SAMPLING },
    translate: (fields, { ask }) => translateCompletion(fields, ask),
  },
  {
    paths: below("responses"),
    enginePath: "/v1/responses",
    kind: "text",
    summary: "OpenAI's Responses API; below `/api`, its stream has the three kinds of events that Lemonade's clients know",
    fields: { input: v.union([v.string(), v.array(v.looseObject({}))], "must be a text or an array of items"), stream, ...RESPONSES },
    detour: throughChat,
    translate: (_fields, { model, request }) => (isBelowApi(request) ? simpleResponses(model) : undefined),
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
  const { paths, enginePath, kind, summary, fields, prepare, translate, detour } = options.inference;
  return endpoint({
    method: "POST",
    paths,
    scope: "infer",
    tag: "Inference",
    summary,
    body: v.looseObject({ model: optional(ModelName), ...fields }),
    answers: ANSWERS,
    relays: true,
    async handle(call: Call<{ model?: string | null | undefined } & Fields, undefined>) {
      const { body, bytes, request } = call;
      const model = body.model ?? defaultModel(router, kind);
      const prepared = prepare?.(body, request);
      const changed = (kind === "text" ? options.defaults.applyTo(prepared ?? body) : undefined) ?? prepared;
      return await relayCall(context, call, {
        model,
        kind,
        path: enginePath,
        body: changed === undefined ? bytes : encode(changed),
        translation: translate && (await translate(body, { model, request, ask: asker(context, call, model) })),
        mendsRefusals: true,
        detour: detour && (() => detour(changed ?? body)),
      });
    },
  });
}

/** Asks the engine of the same model something else, for the same caller. */
function asker(context: RelayContext, call: Call<unknown, unknown>, model: string): TranslatedCall["ask"] {
  return async (path, fields) =>
    await relayCall(context, { ...call, body: undefined }, { model, path, body: encode({ model, ...fields }) });
}

/** Completions pass as they come unless something is wanted that engines do not do. */
function translateCompletion(fields: Fields, ask: TranslatedCall["ask"]): Translation | undefined | Promise<Translation> {
  const { echo, logprobs, prompt, n, stream: isStreamed } = fields;
  const choicesPerPrompt = typeof n === "number" && n > 1 ? n : 1;
  if (echo === true) return echoedTexts(prompt, ask).then((echoed) => completionsAsAsked({ echoed, choicesPerPrompt }));
  const hasLogprobs = typeof logprobs === "number" || logprobs === true;
  // A stream of several prompts begins with an event that no client can read.
  return hasLogprobs || (isStreamed === true && Array.isArray(prompt)) ? completionsAsAsked({}) : undefined;
}

async function echoedTexts(prompt: unknown, ask: TranslatedCall["ask"]): Promise<readonly string[]> {
  const textOf = async (part: string | readonly number[]): Promise<string> => {
    if (typeof part === "string") return part;
    const answer = await ask("/detokenize", { tokens: part });
    const told: unknown = answer.ok ? await answer.json() : undefined;
    if (v.is(v.looseObject({ content: v.string() }), told)) return told.content;
    throw new RouterError("INVALID_REQUEST", "The field echo: the engine of this model cannot say tokens as text; send the prompt as one");
  };
  return await Promise.all(promptsOf(prompt).map(async (parts) => (await Promise.all(parts.map(textOf))).join("")));
}

/** Lemonade's own paths, beside those of OpenAI. */
const isBelowApi = ({ url }: Request): boolean => url.startsWith("/api/", url.indexOf("/", url.indexOf("//") + 2));

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
