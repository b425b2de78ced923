import { commentsOf, dataOf, type Translation } from "../translation.ts";
import {
  idOf,
  renderHead,
  renderItem,
  renderPart,
  renderResponse,
  type ChatAnswer,
  type ChatMessage,
  type OutputItem,
} from "./output-items.ts";

/** A chat's answer as one of the Responses API: the events and objects that llama-server makes of its own chats, with OpenAI's indices. */
export function responsesThroughChat(): Translation {
  const stream = new ResponseStream();
  return {
    events: (text) => stream.push(text),
    whole: (text) => wholeResponse(text),
  };
}

function wholeResponse(text: string): string {
  const answer = JSON.parse(text) as ChatAnswer; // An engine's own answer.
  const [choice] = answer.choices ?? [];
  const items = itemsOf(choice?.message ?? {}, idOf(answer));
  return JSON.stringify(renderResponse({ answer, items, finishReason: choice?.finish_reason ?? null, usage: answer.usage ?? null }));
}

function itemsOf({ reasoning_content: thought, content, tool_calls: calls }: ChatMessage, id: string): OutputItem[] {
  return [
    ...(thought ? [{ kind: "reasoning", id: `rs_${id}`, text: thought } as const] : []),
    ...(content ? [{ kind: "message", id: `msg_${id}`, text: content } as const] : []),
    ...(calls ?? []).map(({ id: callId = "", function: called }) => newCall(callId, called)),
  ];
}

function newCall(callId: string, called: { readonly name?: string; readonly arguments?: string } = {}): OutputItem {
  return { kind: "call", id: `fc_${callId}`, callId, name: called.name ?? "", text: called.arguments ?? "" };
}

type Data = Record<string, unknown> & { readonly type: string };

/** Turns the chunks of one chat into events, item by item: one begins when something of its kind comes, and ends when another begins. */
class ResponseStream {
  #answer: ChatAnswer | undefined;
  #items: OutputItem[] = [];
  #finishReason: string | null = null;
  #usage: ChatAnswer["usage"];
  #timings: unknown;
  #sequence = 0;
  #output = "";

  push(text: string): string {
    this.#output = commentsOf(text);
    for (const data of dataOf(text)) {
      if (data === "[DONE]") this.#complete();
      else if (data.startsWith("{")) this.#takeChunk(JSON.parse(data) as ChatAnswer & { error?: unknown }, data);
    }
    return this.#output;
  }

  #takeChunk(chunk: ChatAnswer & { error?: unknown }, data: string): void {
    if (chunk.error !== undefined) {
      this.#output += `data: ${data}\n\n`; // Clients of OpenAI's look for `error` in any event.
      return;
    }
    if (this.#answer === undefined) {
      this.#answer = chunk;
      this.#emit({ type: "response.created", response: renderHead(chunk, "in_progress") });
      this.#emit({ type: "response.in_progress", response: renderHead(chunk, "in_progress") });
    }
    if (chunk.usage) this.#usage = chunk.usage;
    if (chunk.timings !== undefined) this.#timings = chunk.timings;
    const [choice] = chunk.choices ?? [];
    if (choice === undefined) return;
    this.#finishReason = choice.finish_reason ?? this.#finishReason;
    this.#takeDelta(choice.delta ?? {}, idOf(this.#answer));
  }

  #takeDelta({ reasoning_content: thought, content, tool_calls: calls }: ChatMessage, id: string): void {
    const unique = this.#items.length === 0 ? id : `${id}_${this.#items.length}`;
    if (thought) this.#add("reasoning", thought, () => ({ kind: "reasoning", id: `rs_${unique}`, text: "" }));
    if (content) this.#add("message", content, () => ({ kind: "message", id: `msg_${unique}`, text: "" }));
    for (const { id: callId, function: called } of calls ?? []) {
      // A call's id comes with its first piece only.
      if (callId !== undefined && callId !== "") this.#begin(newCall(callId, { name: called?.name ?? "" }));
      const current = this.#items.at(-1);
      if (current?.kind === "call" && called?.arguments) this.#append(current, called.arguments);
    }
  }

  #add(kind: OutputItem["kind"], text: string, make: () => OutputItem): void {
    let current = this.#items.at(-1);
    if (current?.kind !== kind) {
      current = make();
      this.#begin(current);
    }
    this.#append(current, text);
  }

  #begin(item: OutputItem): void {
    this.#endItem();
    this.#items.push(item);
    this.#emit({ type: "response.output_item.added", output_index: this.#index, item: renderItem(item, "in_progress") });
    if (item.kind === "message")
      this.#emit({ type: "response.content_part.added", ...this.#place(item, { hasContent: true }), part: renderPart("") });
  }

  #append(item: OutputItem, delta: string): void {
    item.text += delta;
    this.#emit({ type: `response.${TEXT_EVENTS[item.kind]}.delta`, ...this.#place(item, { hasContent: item.kind !== "call" }), delta });
  }

  #endItem(): void {
    const item = this.#items.at(-1);
    if (item === undefined) return;
    const { kind, text } = item;
    const isCall = kind === "call";
    this.#emit({
      type: `response.${TEXT_EVENTS[kind]}.done`,
      ...this.#place(item, { hasContent: !isCall }),
      ...(isCall ? { name: item.name, arguments: text } : { text }),
    });
    if (kind === "message")
      this.#emit({ type: "response.content_part.done", ...this.#place(item, { hasContent: true }), part: renderPart(text) });
    this.#emit({ type: "response.output_item.done", output_index: this.#index, item: renderItem(item, "completed") });
  }

  #complete(): void {
    if (this.#answer === undefined) return;
    this.#endItem();
    const response = renderResponse({
      answer: this.#answer,
      items: this.#items,
      finishReason: this.#finishReason,
      usage: this.#usage ?? null,
    });
    this.#emit({ type: "response.completed", response, ...(this.#timings === undefined ? {} : { timings: this.#timings }) });
  }

  get #index(): number {
    return this.#items.length - 1;
  }

  #place({ id }: OutputItem, { hasContent }: { hasContent: boolean }): Record<string, unknown> {
    return { item_id: id, output_index: this.#index, ...(hasContent ? { content_index: 0 } : {}) };
  }

  #emit(data: Data): void {
    this.#output += `event: ${data.type}\ndata: ${JSON.stringify({ ...data, sequence_number: this.#sequence++ })}\n\n`;
  }
}

const TEXT_EVENTS = { reasoning: "reasoning_text", message: "output_text", call: "function_call_arguments" } as const;
