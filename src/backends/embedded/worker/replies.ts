import type { GenerationCounts } from "./generation.ts";
import type { OutputDelta } from "./output-delta.ts";
import { unreachable } from "./unreachable.ts";

/** What all objects of one answer have in common. */
export interface ReplyHead {
  readonly id: string;
  /** Unix time in seconds. */
  readonly created: number;
  readonly model: string;
  readonly fingerprint: string;
}

export type FinishReason = "stop" | "length" | "tool_calls";

export interface TokenLogprob {
  readonly id: number;
  readonly token: string;
  readonly bytes: readonly number[];
  readonly logprob: number;
  readonly top_logprobs?: readonly TokenLogprob[];
}

export interface ToolCallReply {
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
  readonly id: string;
}

export interface ChatMessageReply {
  readonly role: "assistant";
  readonly content: string;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly ToolCallReply[];
}

export function usage(counts: GenerationCounts): Record<string, unknown> {
  return {
    completion_tokens: counts.generatedTokens,
    prompt_tokens: counts.promptTokens,
    total_tokens: counts.promptTokens + counts.generatedTokens,
    prompt_tokens_details: { cached_tokens: counts.cachedTokens },
  };
}

/** The first token belongs to the prompt phase, so rates count the others only. */
export function timings(counts: GenerationCounts): Record<string, number> {
  const computed = counts.promptTokens - counts.cachedTokens;
  const later = Math.max(counts.generatedTokens - 1, 0);
  return {
    cache_n: counts.cachedTokens,
    prompt_n: computed,
    prompt_ms: rounded(counts.promptMs),
    prompt_per_token_ms: ratio(counts.promptMs, computed),
    prompt_per_second: ratio(computed * 1000, counts.promptMs),
    predicted_n: counts.generatedTokens,
    predicted_ms: rounded(counts.generationMs),
    predicted_per_token_ms: ratio(counts.generationMs, later),
    predicted_per_second: ratio(later * 1000, counts.generationMs),
  };
}

const rounded = (ms: number): number => Math.round(ms * 1000) / 1000;
const ratio = (a: number, b: number): number => (b > 0 ? a / b : 0);

export interface ChatChoiceReply {
  readonly index: number;
  readonly message: ChatMessageReply;
  readonly finishReason: FinishReason;
  readonly logprobs: readonly TokenLogprob[];
}

export function chatCompletion(head: ReplyHead, choices: readonly ChatChoiceReply[], counts: GenerationCounts): Record<string, unknown> {
  return {
    choices: choices.map(({ index, message, finishReason, logprobs }) => ({
      finish_reason: finishReason,
      index,
      message,
      ...(logprobs.length > 0 && { logprobs: { content: logprobs } }),
    })),
    created: head.created,
    model: head.model,
    system_fingerprint: head.fingerprint,
    object: "chat.completion",
    usage: usage(counts),
    id: head.id,
    timings: timings(counts),
  };
}

export interface ChatChunkChoice {
  readonly index: number;
  readonly delta: Record<string, unknown>;
  readonly finishReason: FinishReason | null;
  readonly logprobs?: readonly TokenLogprob[] | undefined;
}

export function chatChunk(
  head: ReplyHead,
  choice: ChatChunkChoice | undefined,
  extra: Record<string, unknown> = {},
): Record<string, unknown> {
  const logprobs = choice?.logprobs ?? [];
  const choices =
    choice === undefined
      ? []
      : [
          {
            finish_reason: choice.finishReason,
            index: choice.index,
            delta: choice.delta,
            ...(logprobs.length > 0 && { logprobs: { content: logprobs } }),
          },
        ];
  return {
    choices,
    created: head.created,
    id: head.id,
    model: head.model,
    system_fingerprint: head.fingerprint,
    object: "chat.completion.chunk",
    ...extra,
  };
}

export const ROLE_DELTA: Readonly<Record<string, unknown>> = { role: "assistant", content: null };

/** The `delta` of a chunk. */
export function deltaReply(delta: OutputDelta): Record<string, unknown> {
  switch (delta.kind) {
    case "content":
      return { content: delta.text };
    case "reasoning":
      return { reasoning_content: delta.text };
    case "tool-call":
      return {
        tool_calls: [{ index: delta.index, id: delta.id, type: "function", function: { name: delta.name, arguments: delta.text } }],
      };
    case "tool-arguments":
      return { tool_calls: [{ index: delta.index, function: { arguments: delta.text } }] };
    default:
      return unreachable(delta);
  }
}

/** All deltas of an answer as the message of an answer in one piece. */
export function messageReply(deltas: readonly OutputDelta[]): ChatMessageReply {
  let content = "";
  let reasoning = "";
  const calls: { id: string; name: string; arguments: string }[] = [];
  for (const delta of deltas) {
    if (delta.kind === "content") content += delta.text;
    else if (delta.kind === "reasoning") reasoning += delta.text;
    else if (delta.kind === "tool-call") calls[delta.index] = { id: delta.id, name: delta.name, arguments: delta.text };
    else {
      const call = calls[delta.index];
      if (call !== undefined) call.arguments += delta.text;
    }
  }
  return {
    role: "assistant",
    content,
    ...(reasoning !== "" && { reasoning_content: reasoning }),
    ...(calls.length > 0 && {
      tool_calls: calls.map((call) => ({
        type: "function" as const,
        function: { name: call.name, arguments: call.arguments },
        id: call.id,
      })),
    }),
  };
}

export interface TextChoiceReply {
  readonly index: number;
  readonly text: string;
  readonly finishReason: "stop" | "length" | null;
  readonly logprobs: readonly TokenLogprob[];
}

/** An answer, or with a null finish reason one chunk of a stream; the last chunk is an answer without text. */
export function textCompletion(head: ReplyHead, choices: readonly TextChoiceReply[], counts?: GenerationCounts): Record<string, unknown> {
  return {
    choices: choices.map(({ index, text, finishReason, logprobs }) => ({
      text,
      index,
      logprobs: logprobs.length > 0 ? { content: logprobs } : null,
      finish_reason: finishReason,
    })),
    created: head.created,
    model: head.model,
    system_fingerprint: head.fingerprint,
    object: "text_completion",
    ...(counts !== undefined && { usage: usage(counts) }),
    id: head.id,
    ...(counts !== undefined && { timings: timings(counts) }),
  };
}
