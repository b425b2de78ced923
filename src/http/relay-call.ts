import type { Router } from "../router/index.ts";
import type { Conversations } from "./conversations.ts";
import type { Call } from "./endpoint.ts";
import type { Generations } from "./generations.ts";
import { relay, type RelayRequest } from "./relay.ts";
import { queryOf } from "./request-url.ts";
import { callerOf, redactionFor, requireReachable } from "./security/index.ts";

export interface RelayContext {
  readonly router: Router;
  readonly generations: Generations;
  readonly conversations: Conversations;
}

/** What an endpoint decides about a relayed request; everything else follows from the call. */
export type RelayChoice = Pick<
  RelayRequest,
  "model" | "kind" | "mayDownload" | "method" | "path" | "body" | "isPassive" | "translation" | "detour" | "mendsRefusals" | "autoload"
>;

/** Relays a client's call to the engine of a model, with what every such call may say: `autoload` and a conversation's id. */
export async function relayCall(context: RelayContext, call: Call<unknown, unknown>, choice: RelayChoice): Promise<Response> {
  const { router, generations } = context;
  requireReachable(choice.model, call.identity);
  const request: RelayRequest = {
    autoload: autoloadOf(call.request),
    mayDownload: call.identity.scopes.includes("manage"),
    signal: call.signal,
    onStreamEnd: () => call.connection.answerHasEnded(),
    generations,
    caller: () => callerOf(call),
    redact: redactionFor(call.identity),
    ...choice,
  };
  const id = call.request.headers.get("x-conversation-id");
  return id !== null && isStreamed(call.body) ? await relayConversation(context, { id, call, request }) : await relay(router, request);
}

/** Only a stream can be come back to. */
function isStreamed(body: unknown): boolean {
  return typeof body === "object" && body !== null && "stream" in body && body.stream === true;
}

/** `autoload=true` or `1` loads the model for this request, anything else but nothing does not. */
function autoloadOf({ url }: Request): boolean | undefined {
  const value = queryOf(url)?.get("autoload");
  return !value ? undefined : value === "true" || value === "1";
}

interface ConversationCall {
  readonly id: string;
  readonly call: Call<unknown, unknown>;
  readonly request: RelayRequest;
}

/** A conversation goes on when its client has left, where the engine keeps what it says for a while: only a stop ends it then. */
async function relayConversation({ router, conversations }: RelayContext, { id, call, request }: ConversationCall): Promise<Response> {
  const { id: model } = await router.resolve(request.model);
  const conversation = conversations.begin(id, { caller: call.identity.name, model });
  return await relay(router, {
    ...request,
    signal: conversation.stopped,
    conversation: { id: conversation.upstreamId, client: call.signal },
    headers: { "x-conversation-id": conversation.upstreamId },
    onAcquired: () => (conversation.isSent = true),
  });
}
