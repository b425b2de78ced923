import { ApiError, asApiError, invalidRequest } from "./api-error.ts";
import { messagesOf } from "./chat-messages.ts";
import { planChat } from "./chat-plan.ts";
import { chatCompletions, jsonResponse, textCompletions } from "./completions.ts";
import { modelList, serverProperties, slotList } from "./describe-model.ts";
import type { LoadedModel } from "./loaded-model.ts";
import { randomId } from "./random-id.ts";
import { booleanField, isObject, type RequestBody } from "./request-fields.ts";
import { embeddings, rerank } from "./vector-endpoints.ts";

type PostHandler = (loaded: LoadedModel, body: RequestBody, signal: AbortSignal) => Promise<Response> | Response;

const GETS: Readonly<Record<string, (loaded: LoadedModel, url: URL) => Response>> = {
  "/health": () => jsonResponse({ status: "ok" }),
  "/v1/health": () => jsonResponse({ status: "ok" }),
  "/props": (loaded) => jsonResponse(serverProperties(loaded)),
  "/slots": (loaded, url) => {
    const slots = slotList(loaded);
    if (url.searchParams.get("fail_on_no_slot") && slots.every((slot) => slot["is_processing"] === true)) {
      throw new ApiError("unavailable_error", "no slot available");
    }
    return jsonResponse(slots);
  },
  "/models": (loaded) => jsonResponse(modelList(loaded)),
  "/v1/models": (loaded) => jsonResponse(modelList(loaded)),
};

const chat: PostHandler = async (loaded, body, signal) => await chatCompletions(await loaded.text(), body, signal);
const text: PostHandler = async (loaded, body, signal) => await textCompletions(await loaded.text(), body, signal);

const POSTS: Readonly<Record<string, PostHandler>> = {
  "/v1/chat/completions": chat,
  "/chat/completions": chat,
  "/v1/completions": text,
  "/v1/embeddings": embeddings,
  "/v1/rerank": rerank,
  "/v1/reranking": rerank,
  "/rerank": rerank,
  "/reranking": rerank,
  "/tokenize": tokenize,
  "/detokenize": detokenize,
  "/apply-template": (loaded, body) => jsonResponse({ prompt: planChat(body, loaded.template, randomId).prompt }),
  "/chat/completions/input_tokens": countTokens,
  "/v1/chat/completions/input_tokens": countTokens,
};

/** Answers one request once the model is loaded. Never rejects: whatever goes wrong is an answer. */
export async function answerRequest(loaded: LoadedModel, request: Request): Promise<Response> {
  try {
    const url = new URL(request.url);
    checkKey(loaded, request, url.pathname);
    if (request.method === "GET" || request.method === "HEAD") {
      const get = GETS[url.pathname];
      return get === undefined ? missing(url.pathname) : get(loaded, url);
    }
    const post = request.method === "POST" ? POSTS[url.pathname] : undefined;
    return post === undefined ? missing(url.pathname) : await post(loaded, parseBody(await request.text()), request.signal);
  } catch (error) {
    return errorResponse(error);
  }
}

export function errorResponse(error: unknown): Response {
  const failure = asApiError(error);
  return jsonResponse(failure.toBody(), failure.status);
}

/** What llama-server has and this engine does not: whoever asks for it learns that the path was right. */
const NOT_HERE: readonly RegExp[] = [
  /^\/completions?$/,
  /^\/embeddings?$/,
  /^\/infill$/,
  /^\/metrics$/,
  /^\/props$/,
  /^\/lora-adapters$/,
  /^\/slots\/[^/]+$/,
  /^\/v1\/chat\/completions\/control$/,
];

function missing(path: string): Response {
  if (!NOT_HERE.some((known) => known.test(path))) return errorResponse(new ApiError("not_found_error", "File Not Found"));
  const message = `The embedded engine has no ${path}: a llama-server does (lemonade install llamacpp)`;
  return errorResponse(new ApiError("not_supported_error", message));
}

function checkKey({ arguments: { apiKeys } }: LoadedModel, request: Request, path: string): void {
  if (apiKeys.length === 0 || path === "/health" || path === "/v1/health") return;
  const given = request.headers.get("authorization")?.replace(/^Bearer /, "") ?? request.headers.get("x-api-key");
  if (given === null || !apiKeys.includes(given)) throw new ApiError("authentication_error", "Invalid API Key");
}

function parseBody(json: string): RequestBody {
  let body: unknown;
  try {
    body = JSON.parse(json);
  } catch (error) {
    throw new ApiError(
      "server_error",
      `[json.exception.parse_error.101] parse error: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  if (!isObject(body)) throw invalidRequest("The request body must be a JSON object");
  return body;
}

function tokenize({ vocabulary }: LoadedModel, body: RequestBody): Response {
  const content = body["content"] ?? "";
  const parts: readonly unknown[] = Array.isArray(content) ? content : [content];
  const addSpecial = booleanField(body, "add_special") ?? false;
  const parseSpecial = booleanField(body, "parse_special") ?? true;
  const tokens = parts.flatMap((part, i) => {
    if (typeof part === "number") return [part];
    return vocabulary.tokenize(typeof part === "string" ? part : "", { addSpecial: addSpecial && i === 0, parseSpecial });
  });
  if (booleanField(body, "with_pieces") !== true) return jsonResponse({ tokens });
  return jsonResponse({ tokens: tokens.map((id) => ({ id, piece: pieceOf(vocabulary.bytes(id, { showsSpecial: true })) })) });
}

/** Half a character has no text: its bytes are given instead. */
function pieceOf(bytes: Uint8Array): string | number[] {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return Array.from(bytes);
  }
}

function detokenize({ vocabulary }: LoadedModel, body: RequestBody): Response {
  const { tokens } = body;
  if (tokens !== undefined && !(Array.isArray(tokens) && tokens.every((token) => Number.isInteger(token)))) {
    throw invalidRequest('"tokens" must be an array of integers');
  }
  return jsonResponse({ content: vocabulary.text((tokens ?? []) as number[], { showsSpecial: true }) });
}

function countTokens(loaded: LoadedModel, body: RequestBody): Response {
  messagesOf(body);
  const { prompt } = planChat(body, loaded.template, randomId);
  const tokens = loaded.vocabulary.tokenize(prompt, { addSpecial: true });
  return jsonResponse({ input_tokens: tokens.length, object: "response.input_tokens" });
}
