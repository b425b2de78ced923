import { ApiError, invalidRequest } from "./api-error.ts";
import { isObject, type RequestBody } from "./request-fields.ts";

/** A message as the request has it, checked; unknown fields stay, for the template may know them. */
export type ChatMessage = RequestBody & { readonly role: string };

/** What a template takes. */
export interface TemplateAbilities {
  readonly takesText: boolean;
  /** Content as a list of typed parts. */
  readonly takesParts: boolean;
  readonly takesSystem: boolean;
  readonly takesDeveloper: boolean;
  readonly takesTools: boolean;
  readonly takesToolCalls: boolean;
  readonly takesParallelCalls: boolean;
  readonly takesObjectArguments: boolean;
}

export function messagesOf(body: RequestBody): readonly ChatMessage[] {
  const { messages } = body;
  if (messages === undefined) throw invalidRequest("'messages' is required");
  if (!Array.isArray(messages)) throw invalidRequest("Expected 'messages' to be an array");
  return messages.map((message: unknown) => checkMessage(message));
}

function checkMessage(message: unknown): ChatMessage {
  if (!isObject(message))
    throw new ApiError("server_error", `Failed to parse messages: Expected 'message' to be an object, got ${JSON.stringify(message)}`);
  const { role, content, tool_calls: toolCalls } = message;
  if (role !== "assistant" && content === undefined) throw invalidRequest("All non-assistant messages must contain 'content'");
  if (role === "assistant" && content === undefined && toolCalls === undefined) {
    throw invalidRequest("Assistant message must contain either 'content' or 'tool_calls'!");
  }
  if (typeof role !== "string")
    throw new ApiError("server_error", `Failed to parse messages: Missing 'role' in message: ${JSON.stringify(message)}`);
  if (Array.isArray(content)) for (const part of content) checkPart(part);
  else if (content !== undefined && content !== null && typeof content !== "string") {
    throw invalidRequest("Expected 'content' to be a string or an array");
  }
  return { ...message, role };
}

const MEDIA: Readonly<Record<string, string>> = { image_url: "image", input_audio: "audio", input_video: "video", video_url: "video" };

function checkPart(part: unknown): void {
  const type = isObject(part) ? part["type"] : undefined;
  const medium = typeof type === "string" ? MEDIA[type] : undefined;
  if (medium !== undefined) {
    throw new ApiError(
      "server_error",
      `${medium} input is not supported by the embedded engine - hint: a llama-server takes it when the model has a projector (mmproj)`,
    );
  }
  if (type !== "text") throw invalidRequest("unsupported content[].type");
}

/** Brings messages into the form that a template takes. */
export function normalizeMessages(messages: readonly ChatMessage[], abilities: TemplateAbilities): readonly ChatMessage[] {
  const named = abilities.takesDeveloper
    ? messages
    : messages.map((message) => (message.role === "developer" ? { ...message, role: "system" } : message));
  const merged = abilities.takesSystem ? named : withoutSystem(named);
  return merged.map((message) => ({
    ...message,
    content: contentFor(message["content"], abilities),
    ...(Array.isArray(message["tool_calls"]) && { tool_calls: message["tool_calls"].map((call: unknown) => toolCallFor(call, abilities)) }),
  }));
}

/** A template that knows no system message gets it at the head of what the user says first. */
function withoutSystem(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const [system, next, ...rest] = messages;
  if (system?.role !== "system") return messages;
  if (next === undefined) return [];
  return [{ ...next, content: `${textOfContent(system["content"])}\n${textOfContent(next["content"])}` }, ...rest];
}

function contentFor(content: unknown, { takesText, takesParts }: TemplateAbilities): unknown {
  if (content === undefined || content === null) return takesText ? "" : [];
  if (typeof content === "string") return takesText ? content : [{ type: "text", text: content }];
  return takesParts ? content : textOfContent(content);
}

/** Text parts one under the other. */
export function textOfContent(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part: unknown) => (isObject(part) && typeof part["text"] === "string" ? part["text"] : "")).join("\n");
}

function toolCallFor(call: unknown, { takesObjectArguments }: TemplateAbilities): unknown {
  if (!isObject(call) || !isObject(call["function"])) throw invalidRequest(`Missing tool call function: ${JSON.stringify(call)}`);
  const { arguments: given } = call["function"];
  const asText = typeof given === "string" ? given : JSON.stringify(given ?? {});
  return {
    ...call,
    type: "function",
    function: { ...call["function"], arguments: takesObjectArguments ? parsedArguments(asText) : asText },
  };
}

function parsedArguments(text: string): unknown {
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ApiError(
      "server_error",
      `Failed to parse tool call arguments as JSON: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
