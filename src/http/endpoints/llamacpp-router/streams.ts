import * as v from "valibot";
import { LlamaCppError } from "../../../dialects/llamacpp/index.ts";
import type { Conversation } from "../../conversations.ts";
import { endpoint, type Call, type Endpoint } from "../../endpoint.ts";
import { json } from "../../json.ts";
import { relayCall, type RelayContext } from "../../relay-call.ts";
import { answers, LLAMACPP } from "./facts.ts";

const Query = v.looseObject({ conv_id: v.optional(v.string()), from: v.optional(v.string()) });

/** An engine that does not answer a lookup at once has other things to do; its conversations are left out. */
const LOOKUP_MS = 250;

/** Streams that a client has lost and comes back to: the engine of the conversation keeps them for a while. */
export function streamEndpoints(context: RelayContext): Endpoint[] {
  const { conversations } = context;
  return [
    endpoint({
      ...LLAMACPP,
      method: "GET",
      paths: ["/v1/stream"],
      scope: "infer",
      summary: "The stream of a conversation from an offset on, and what follows",
      query: Query,
      answers: answers({ description: "The stream", contentType: "text/event-stream" }, 400, 404, 500, 503),
      relays: true,
      async handle(call) {
        const id = idOf(call.query);
        const { model, upstreamId } = await readyConversation(context, call, id);
        return await ask(context, call, { model, method: "GET", path: `/v1/stream?${queryOf(upstreamId, call.query.from)}` });
      },
    }),
    endpoint({
      ...LLAMACPP,
      method: "DELETE",
      paths: ["/v1/stream"],
      scope: "infer",
      summary: "Stop a conversation, also one that still waits for its model",
      query: Query,
      answers: { ...answers({ description: "Never" }, 400), 204: { description: "It is stopped, or there was none" } },
      async handle(call) {
        const id = idOf(call.query);
        const conversation = conversations.find(id, call.identity.name);
        let isEngineTold = false;
        if (conversation?.isSent === true) {
          const choice = { model: conversation.model, method: "DELETE", path: `/v1/stream?${queryOf(conversation.upstreamId)}` } as const;
          const answer = await ask(context, call, choice).catch(() => undefined); // An engine that is gone has stopped anyway.
          await answer?.body?.cancel();
          isEngineTold = answer?.ok ?? false;
        }
        conversations.forget(id, call.identity.name, { isEngineTold });
        return new Response(null, { status: 204 });
      },
    }),
    endpoint({
      ...LLAMACPP,
      method: "POST",
      paths: ["/v1/streams/lookup"],
      scope: "infer",
      summary: "What the engines still have of some conversations",
      body: v.looseObject({ conversation_ids: v.optional(v.array(v.unknown())) }),
      answers: answers({ description: "The known ones", schema: v.array(v.looseObject({ conversation_id: v.string() })) }),
      handle: async (call) => json(await lookUp(context, call, (call.body.conversation_ids ?? []).filter(isId))),
    }),
  ];
}

const Found = v.array(v.looseObject({ conversation_id: v.string() }));
const isId = (id: unknown): id is string => typeof id === "string" && id !== "";

function idOf({ conv_id: id }: v.InferOutput<typeof Query>): string {
  if (id) return id;
  throw new LlamaCppError("INVALID_REQUEST", "Missing conversation id in path");
}

function queryOf(id: string, from?: string): string {
  return new URLSearchParams({ conv_id: id, ...(from ? { from } : {}) }).toString();
}

/** A conversation whose engine can be asked. */
async function readyConversation(
  { router, conversations }: RelayContext,
  { identity }: Call<unknown, unknown>,
  id: string,
): Promise<Conversation> {
  const conversation = conversations.find(id, identity.name);
  const entry = conversation === undefined ? undefined : await router.catalog.find(conversation.model);
  const state = entry === undefined ? undefined : router.runOf(entry).state;
  if (conversation !== undefined && (state === "loaded" || state === "sleeping")) return conversation;
  if (state === "loading" || state === "queued") {
    throw new LlamaCppError("MODEL_NOT_LOADED", "Stream owner model is loading, retry later", { status: 503 });
  }
  throw new LlamaCppError("STREAM_NOT_FOUND", "Stream not found or expired");
}

interface Asked {
  readonly model: string;
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly body?: Uint8Array<ArrayBuffer>;
}

async function ask(context: RelayContext, call: Call<unknown, unknown>, asked: Asked): Promise<Response> {
  // Without the header: this request is about a conversation and none itself.
  const headers = new Headers(call.request.headers);
  headers.delete("x-conversation-id");
  const request = new Request(call.request.url, { headers });
  return await relayCall(context, { ...call, request }, { ...asked, autoload: false, isPassive: true });
}

/** Asks only the engines that own some of the conversations, side by side. */
async function lookUp(context: RelayContext, call: Call<unknown, unknown>, ids: readonly string[]): Promise<unknown[]> {
  const byModel = new Map<string, Map<string, string>>();
  for (const id of ids) {
    const conversation = await readyConversation(context, call, id).catch(() => undefined);
    if (conversation === undefined) continue;
    const { model, upstreamId } = conversation;
    byModel.set(model, (byModel.get(model) ?? new Map<string, string>()).set(upstreamId, id));
  }
  const asked = [...byModel].map(async ([model, owned]) => {
    const body = new TextEncoder().encode(JSON.stringify({ conversation_ids: [...owned.keys()] }));
    const signal = AbortSignal.any([call.signal, AbortSignal.timeout(LOOKUP_MS)]);
    try {
      const response = await ask(context, { ...call, signal }, { model, method: "POST", path: "/v1/streams/lookup", body });
      const found: unknown = response.ok ? await response.json() : [];
      return v.is(Found, found) ? found.map((known) => ({ ...known, conversation_id: owned.get(known.conversation_id) })) : [];
    } catch {
      return [];
    }
  });
  return (await Promise.all(asked)).flat();
}
