/** What one answer consists of, in the order in which it began. */
export type OutputItem =
  | { readonly kind: "reasoning"; readonly id: string; text: string }
  | { readonly kind: "message"; readonly id: string; text: string }
  | { readonly kind: "call"; readonly id: string; readonly callId: string; readonly name: string; text: string };

export type ItemStatus = "in_progress" | "completed";

/** An item as the API shows it; while it is being made its content is empty. */
export function renderItem(item: OutputItem, status: ItemStatus): Record<string, unknown> {
  const isDone = status === "completed";
  switch (item.kind) {
    case "reasoning":
      return {
        id: item.id,
        type: "reasoning",
        summary: [],
        content: isDone ? [{ type: "reasoning_text", text: item.text }] : [],
        encrypted_content: "",
        status,
      };
    case "message":
      return { id: item.id, type: "message", role: "assistant", status, content: isDone ? [renderPart(item.text)] : [] };
    case "call":
      return { id: item.id, type: "function_call", call_id: item.callId, name: item.name, arguments: isDone ? item.text : "", status };
    default:
      return item satisfies never;
  }
}

export function renderPart(text: string): Record<string, unknown> {
  return { type: "output_text", text, annotations: [], logprobs: [] };
}

/** The parts of an answer or of a chunk of one that we read. */
export interface ChatMessage {
  readonly content?: string | null;
  readonly reasoning_content?: string | null;
  readonly tool_calls?:
    | readonly {
        readonly index?: number;
        readonly id?: string;
        readonly function?: { readonly name?: string; readonly arguments?: string };
      }[]
    | null;
}

export interface ChatAnswer {
  readonly id?: string;
  readonly created?: number;
  readonly model?: string;
  readonly choices?: readonly { readonly message?: ChatMessage; readonly delta?: ChatMessage; readonly finish_reason?: string | null }[];
  readonly usage?: ChatUsage | null;
  readonly timings?: unknown;
}

interface ChatUsage {
  readonly prompt_tokens?: number;
  readonly completion_tokens?: number;
  readonly prompt_tokens_details?: { readonly cached_tokens?: number } | null;
}

/** The name that an answer's ids share, from the id of the chat. */
export function idOf({ id = "" }: ChatAnswer): string {
  return id.replace(/^chatcmpl-/, "");
}

export interface ResponseState {
  readonly answer: ChatAnswer;
  readonly items: readonly OutputItem[];
  readonly finishReason: string | null;
  readonly usage: ChatUsage | null;
}

/** The whole response. Its status is `completed` whatever ended it, as in llama-server; `incomplete_details` says when it was the limit. */
export function renderResponse({ answer, items, finishReason, usage }: ResponseState): Record<string, unknown> {
  const [input, output] = [usage?.prompt_tokens ?? 0, usage?.completion_tokens ?? 0];
  return {
    ...renderHead(answer, "completed"),
    completed_at: answer.created ?? 0,
    output: items.map((item) => renderItem(item, "completed")),
    incomplete_details: finishReason === "length" ? { reason: "max_output_tokens" } : null,
    usage: {
      input_tokens: input,
      input_tokens_details: { cached_tokens: usage?.prompt_tokens_details?.cached_tokens ?? 0 },
      output_tokens: output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: input + output,
    },
  };
}

export function renderHead(answer: ChatAnswer, status: ItemStatus): Record<string, unknown> {
  return {
    id: `resp_${idOf(answer)}`,
    object: "response",
    created_at: answer.created ?? 0,
    status,
    model: answer.model ?? "",
    output: [],
    error: null,
    parallel_tool_calls: true,
    tool_choice: "auto",
    tools: [],
  };
}
