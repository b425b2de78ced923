import { RouterError } from "../../errors.ts";

type Fields = Readonly<Record<string, unknown>>;

/** A message of the chat API, while it is being put together: an answer's text, thoughts and calls are items of their own in a request. */
interface Message {
  role: string;
  content?: unknown;
  reasoning_content?: string;
  tool_calls?: unknown[];
  tool_call_id?: unknown;
}

/**
 * The messages that the items of an `input` stand for. https://platform.openai.com/docs/api-reference/responses/create
 * @throws {@link RouterError} `INVALID_REQUEST` for an item that no chat can hold.
 */
export function messagesOfInput(input: unknown): Message[] {
  if (typeof input === "string") return [{ role: "user", content: input }];
  if (!Array.isArray(input)) throw invalid("The field input must be a text or an array of items");
  const messages: Message[] = [];
  for (const item of input) addItem(messages, fieldsOf(item, "input"));
  return messages;
}

function addItem(messages: Message[], item: Fields): void {
  const { type = "message" } = item;
  switch (type) {
    case "message":
      addMessage(messages, item);
      return;
    case "reasoning":
      addThought(messages, item);
      return;
    case "function_call": {
      const call = { id: item["call_id"], type: "function", function: { name: item["name"], arguments: item["arguments"] } };
      (answerIn(messages).tool_calls ??= []).push(call);
      return;
    }
    case "function_call_output": {
      const { output, call_id: id } = item;
      const content = Array.isArray(output) ? output.map((part) => contentPart(fieldsOf(part, "output"))) : output;
      messages.push({ role: "tool", content, tool_call_id: id });
      return;
    }
    case "item_reference":
      throw invalid("An item_reference needs stored responses, and this server stores none: send the item itself");
    default:
      throw invalid(`Items of the type ${JSON.stringify(type)} are not supported`);
  }
}

function addMessage(messages: Message[], { role, content }: Fields): void {
  if (typeof role !== "string") throw invalid("A message in input needs a role");
  const parts = Array.isArray(content) ? content.map((part) => contentPart(fieldsOf(part, "content"))) : content;
  const last = messages.at(-1);
  // Thoughts come before their message, as an item of their own.
  if (role === "assistant" && last?.role === role && last.content === undefined && last.tool_calls === undefined) last.content = parts;
  else messages.push({ role, content: parts });
}

function addThought(messages: Message[], { content, summary }: Fields): void {
  const parts = [content, summary].find((parts): parts is unknown[] => Array.isArray(parts) && parts.length > 0) ?? [];
  const text = parts.map((part) => fieldsOf(part, "content")["text"]).filter((part): part is string => typeof part === "string");
  messages.push({ role: "assistant", reasoning_content: text.join("\n") });
}

/** The answer that a call belongs to: the message before it, or a new one. */
function answerIn(messages: Message[]): Message {
  const last = messages.at(-1);
  if (last?.role === "assistant") return last;
  const message: Message = { role: "assistant" };
  messages.push(message);
  return message;
}

function contentPart(part: Fields): Fields {
  const { type } = part;
  switch (type) {
    case "input_text":
    case "output_text":
    case "text":
      if (typeof part["text"] !== "string") throw invalid(`A part of the type ${type} needs a text`);
      return { type: "text", text: part["text"] };
    case "refusal":
      return { type: "text", text: part["refusal"] };
    case "input_image":
      if (typeof part["image_url"] !== "string") throw invalid("An input_image needs an image_url: files are not stored here");
      return { type: "image_url", image_url: { url: part["image_url"] } };
    default:
      throw invalid(`Content of the type ${JSON.stringify(type)} is not supported`);
  }
}

function fieldsOf(value: unknown, where: string): Fields {
  if (typeof value !== "object" || value === null) throw invalid(`The field ${where} holds something that is no object`);
  return value as Fields; // Checked.
}

export function invalid(message: string): RouterError {
  return new RouterError("INVALID_REQUEST", message);
}
