import { ApiError, invalidRequest } from "./api-error.ts";
import { messagesOf, type ChatMessage } from "./chat-messages.ts";
import { booleanField, field, isObject, objectField, textField, type RequestBody } from "./request-fields.ts";
import { toolChoiceOf, toolsOf, type ToolChoice, type ToolDefinition } from "./tool-definitions.ts";

/** What a chat request asks for, checked. */
export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  /** The begin of the answer, when the last message is the assistant's. */
  readonly begun: ChatMessage | undefined;
  /** Functions that the model is told of. */
  readonly tools: readonly ToolDefinition[];
  /** Functions that it may call now. */
  readonly callable: readonly ToolDefinition[];
  readonly choice: ToolChoice;
  /** Absent: as the template can. */
  readonly isParallel: boolean | undefined;
  /** The schema that the answer is to follow. */
  readonly schema: unknown;
  readonly gbnf: string | undefined;
  readonly enablesThinking: boolean;
  /** Whether reasoning is told from content. */
  readonly splitsReasoning: boolean;
  readonly addsGenerationPrompt: boolean;
  /** Further variables of the template. */
  readonly variables: Readonly<Record<string, unknown>>;
}

export function readChatRequest(body: RequestBody): ChatRequest {
  const all = messagesOf(body);
  const tools = toolsOf(body);
  const choice = toolChoiceOf(body, tools);
  const schema = answerSchema(body);
  const gbnf = textField(body, "grammar");
  const callable =
    choice.kind === "none" ? [] : choice.kind === "named" ? tools.filter((tool) => tool.function.name === choice.name) : tools;
  if (callable.length > 0 && gbnf !== undefined) throw invalidRequest("Cannot use custom grammar constraints with tools.");
  if (schema !== undefined && gbnf !== undefined) throw new ApiError("server_error", "Cannot use both json_schema and grammar");
  const begun = continuesLastMessage(body, all) ? all.at(-1) : undefined;
  const thinking = thinkingOf(body);
  return {
    messages: begun === undefined ? all : all.slice(0, -1),
    begun,
    tools,
    callable,
    choice,
    isParallel: booleanField(body, "parallel_tool_calls"),
    schema,
    gbnf,
    enablesThinking: thinking.isEnabled,
    splitsReasoning: textField(body, "reasoning_format") !== "none",
    addsGenerationPrompt: booleanField(body, "add_generation_prompt") ?? true,
    variables: thinking.variables,
  };
}

/** `{}` asks for any object. */
function answerSchema(body: RequestBody): unknown {
  const own = field(body, "json_schema")?.value;
  const format = objectField(body, "response_format");
  const type = format?.["type"];
  if (format === undefined || type === undefined || type === "text") return own === undefined ? undefined : orAnyObject(own);
  if (type === "json_object") return orAnyObject(format["schema"] ?? own);
  if (type === "json_schema") return orAnyObject(isObject(format["json_schema"]) ? format["json_schema"]["schema"] : undefined);
  throw invalidRequest(
    `response_format type must be one of "text" or "json_object", but got: ${typeof type === "string" ? type : JSON.stringify(type)}`,
  );
}

function orAnyObject(schema: unknown): unknown {
  if (schema === undefined || schema === null) return { type: "object" };
  return isObject(schema) && Object.keys(schema).length === 0 ? { type: "object" } : schema;
}

interface Thinking {
  readonly isEnabled: boolean;
  readonly variables: Readonly<Record<string, unknown>>;
}

function thinkingOf(body: RequestBody): Thinking {
  const { enable_thinking: wish, ...variables } = objectField(body, "chat_template_kwargs") ?? {};
  if (typeof wish === "string") throw invalidRequest('invalid type for "enable_thinking" (expected boolean, got string)');
  const effort = textField(body, "reasoning_effort");
  if (effort === "none") {
    const { reasoning_effort: _effort, ...others } = variables;
    return { isEnabled: false, variables: others };
  }
  return { isEnabled: wish !== false, variables: effort === undefined ? variables : { ...variables, reasoning_effort: effort } };
}

function continuesLastMessage(body: RequestBody, messages: readonly ChatMessage[]): boolean {
  const wish = field(body, "continue_final_message")?.value;
  const isAssistant = messages.at(-1)?.role === "assistant";
  const continues = wish === undefined ? isAssistant : wish !== false && isAssistant;
  if (!continues) return false;
  if (wish !== undefined && body["add_generation_prompt"] === true) {
    throw invalidRequest("Cannot set both add_generation_prompt and continue_final_message to true.");
  }
  if (messages.at(-2)?.role === "assistant") throw invalidRequest("Cannot have 2 or more assistant messages at the end of the list.");
  const calls = messages.at(-1)?.["tool_calls"];
  if (Array.isArray(calls) && calls.length > 0) throw invalidRequest("Cannot continue an assistant message that contains tool calls.");
  return true;
}
