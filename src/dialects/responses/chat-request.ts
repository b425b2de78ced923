import { invalid, messagesOfInput } from "./input-items.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Fields that a chat does not have: what they stand for is translated, or has no meaning where nothing is stored. */
const NOT_FOR_CHAT: ReadonlySet<string> = new Set([
  "background",
  "include",
  "input",
  "instructions",
  "max_output_tokens",
  "max_tool_calls",
  "metadata",
  "previous_response_id",
  "prompt",
  "reasoning",
  "store",
  "text",
  "tool_choice",
  "tools",
  "truncation",
]);

/**
 * A request to the Responses API as the chat request that means the same, for an engine that knows chats only. What is not named here
 * goes along as it is, so that an engine's own options work.
 * @throws {@link RouterError} `INVALID_REQUEST`.
 */
export function chatRequestOf(fields: Fields): Record<string, unknown> {
  if (fields["previous_response_id"]) throw invalid("Responses are not stored here: send the conversation instead of previous_response_id");
  const { instructions, max_output_tokens: maxTokens, text, tool_choice: toolChoice } = fields;
  const messages = messagesOfInput(fields["input"]);
  const format = formatOf(text);
  const effort = (fields["reasoning"] as { effort?: unknown } | null | undefined)?.effort ?? undefined;
  const tools = toolsOf(fields["tools"]);
  return {
    ...Object.fromEntries(Object.entries(fields).filter(([name]) => !NOT_FOR_CHAT.has(name))),
    messages: typeof instructions === "string" ? [{ role: "system", content: instructions }, ...messages] : messages,
    ...(maxTokens === undefined || maxTokens === null ? {} : { max_tokens: maxTokens }),
    ...(effort === undefined ? {} : { reasoning_effort: effort }),
    ...(format === undefined ? {} : { response_format: format }),
    ...(tools.length === 0 ? {} : { tools }),
    ...(toolChoice === undefined || toolChoice === null || tools.length === 0 ? {} : { tool_choice: toolChoiceOf(toolChoice) }),
    ...(fields["stream"] === true ? { stream_options: { include_usage: true } } : {}),
  };
}

/** Tools of other types (web search, files) run on OpenAI's machines: llama-server skips them too. */
function toolsOf(tools: unknown): unknown[] {
  if (tools === undefined || tools === null) return [];
  if (!Array.isArray(tools)) throw invalid("The field tools must be an array");
  return (tools as Fields[])
    .filter((tool) => tool["type"] === "function")
    .map(({ type: _type, ...definition }) => ({ type: "function", function: definition }));
}

function toolChoiceOf(choice: unknown): unknown {
  if (typeof choice !== "object" || choice === null) return choice;
  const { type, name } = choice as Fields;
  return type === "function" ? { type, function: { name } } : choice;
}

/** `text.format` has its schema beside the type, a chat's `response_format` one level below. */
function formatOf(text: unknown): unknown {
  const { format } = (text ?? {}) as { format?: Fields | null };
  if (!format) return undefined;
  const { type, ...schema } = format;
  return type === "json_schema" ? { type, json_schema: schema } : { type };
}
