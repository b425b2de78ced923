import type { AnswerReader } from "./answer-reader.ts";
import { heldBackLength, matchLiteral } from "./match-literal.ts";
import type { OutputDelta } from "./output-delta.ts";
import { openingOfCall, ToolCallReader, type ToolCallReaderOptions } from "./tool-call-reader.ts";
import type { ToolSyntax } from "./tool-syntax.ts";
import { unreachable } from "./unreachable.ts";

export interface ReasoningTags {
  readonly start: string;
  readonly end: string;
}

export interface OutputParserOptions {
  /** Absent when reasoning stays in the content. `isOpen`: the prompt ends inside the reasoning block already. */
  readonly reasoning?: (ReasoningTags & { readonly isOpen: boolean }) | undefined;
  readonly tools?: (ToolCallReaderOptions & { readonly names: readonly string[]; readonly isForced: boolean }) | undefined;
}

type State = "before-answer" | "reasoning" | "before-content" | "content" | "calls" | "after-calls";

/**
 * Splits what a model writes into reasoning, content and tool calls while it is being written. Nothing is given out that a later
 * piece could turn into something else: a tag that has only begun, white space before one.
 */
export class OutputParser implements AnswerReader {
  readonly #options: OutputParserOptions;
  readonly #trigger: ToolTrigger | undefined;
  #state: State;
  #text = "";
  #reader: ToolCallReader | undefined;
  /** Length of everything read before `#text`. */
  #consumed = 0;
  #callsAt: number | undefined;
  #answerAt: number | undefined;

  constructor(options: OutputParserOptions) {
    this.#options = options;
    this.#trigger = options.tools === undefined ? undefined : triggerOf(options.tools.syntax);
    this.#state = options.reasoning === undefined ? this.#stateAfterReasoning() : options.reasoning.isOpen ? "reasoning" : "before-answer";
  }

  get callsAt(): number | undefined {
    return this.#callsAt;
  }

  get answerAt(): number | undefined {
    return this.#answerAt;
  }

  get toolCallCount(): number {
    return this.#reader?.count ?? 0;
  }

  push(text: string): OutputDelta[] {
    const deltas: OutputDelta[] = [];
    this.#text += text;
    while (this.#step(deltas)) {
      // Each step reads as far as its state goes.
    }
    return deltas;
  }

  end(): OutputDelta[] {
    const deltas: OutputDelta[] = [];
    const rest = this.#take(this.#text.length);
    switch (this.#state) {
      case "reasoning":
        emit(deltas, "reasoning", rest.trimEnd());
        break;
      case "calls":
        emit(deltas, "content", this.#reader?.end(deltas) ?? "");
        break;
      case "after-calls":
        emit(deltas, "content", rest.trim());
        break;
      case "before-answer":
      case "before-content":
      case "content":
        emit(deltas, "content", rest);
        break;
    }
    return deltas;
  }

  #step(deltas: OutputDelta[]): boolean {
    switch (this.#state) {
      case "before-answer":
        return this.#stepBeforeAnswer();
      case "reasoning":
        return this.#stepReasoning(deltas);
      case "before-content":
        return this.#stepBeforeContent();
      case "content":
        return this.#stepContent(deltas);
      case "calls":
        return this.#stepCalls(deltas);
      case "after-calls":
        return false; // White space after a call means nothing; more text is given out at the end.
      default:
        return unreachable(this.#state);
    }
  }

  #stepBeforeAnswer(): boolean {
    const start = this.#options.reasoning?.start ?? "";
    const match = matchLiteral(` ${start}`, this.#text);
    if (match.kind === "partial") return false;
    if (match.kind === "mismatch") {
      this.#state = this.#stateAfterReasoning();
      return true;
    }
    this.#take(match.end);
    this.#state = "reasoning";
    return true;
  }

  #stepReasoning(deltas: OutputDelta[]): boolean {
    const end = this.#options.reasoning?.end ?? "";
    this.#take(this.#text.length - (this.#hasReasoned ? this.#text.length : this.#text.trimStart().length));
    const at = this.#text.indexOf(end);
    const text = at === -1 ? this.#text.slice(0, this.#text.length - heldBackLength(this.#text, end)).trimEnd() : this.#text.slice(0, at);
    const given = at === -1 ? text : text.trimEnd();
    if (given !== "") this.#hasReasoned = true;
    emit(deltas, "reasoning", given);
    this.#take(at === -1 ? given.length : at + end.length);
    if (at === -1) return false;
    this.#answerAt = this.#consumed;
    this.#state = "before-content";
    return true;
  }

  #hasReasoned = false;

  #stepBeforeContent(): boolean {
    const spaces = this.#text.length - this.#text.trimStart().length;
    this.#take(spaces);
    if (this.#text === "") return false;
    this.#state = this.#stateAfterReasoning();
    return true;
  }

  #stepContent(deltas: OutputDelta[]): boolean {
    const trigger = this.#trigger;
    if (trigger === undefined) {
      emit(deltas, "content", this.#take(this.#text.length));
      return false;
    }
    const found = trigger.isOnlyAtStart ? this.#findAtStart(trigger) : findTag(trigger.text, this.#text);
    if (found === "unknown") return false;
    if (found.at === -1) {
      emit(deltas, "content", this.#take(found.safeLength));
      return false;
    }
    emit(deltas, "content", this.#take(found.at).trimEnd());
    this.#beginCalls();
    return true;
  }

  /** A call without a tag around it is one only as the whole answer, and only with the name of a known function. */
  #findAtStart(trigger: ToolTrigger): Found | "unknown" {
    const nothing = { at: -1, safeLength: this.#text.length };
    if (this.#hasGivenContent) return nothing;
    const match = matchLiteral(` ${trigger.text}`, this.#text);
    if (match.kind === "partial") return "unknown";
    const rest = match.kind === "match" ? this.#text.slice(match.end) : "";
    const names = match.kind === "match" ? (this.#options.tools?.names ?? []) : [];
    if (names.some((name) => rest.startsWith(`${name}"`))) return { at: 0, safeLength: 0 };
    if (names.some((name) => `${name}"`.startsWith(rest))) return "unknown";
    this.#hasGivenContent = true;
    return nothing;
  }

  #hasGivenContent = false;

  #stepCalls(deltas: OutputDelta[]): boolean {
    const { rest } = this.#reader?.push(this.#take(this.#text.length), deltas) ?? {};
    if (rest === undefined) return false;
    this.#text = rest;
    this.#consumed -= rest.length;
    this.#state = "after-calls";
    return true;
  }

  #stateAfterReasoning(): State {
    if (this.#options.tools?.isForced !== true) return "content";
    this.#beginCalls();
    return "calls";
  }

  #beginCalls(): void {
    if (this.#options.tools === undefined) return;
    this.#reader = new ToolCallReader(this.#options.tools);
    this.#callsAt = this.#consumed;
    this.#state = "calls";
  }

  #take(length: number): string {
    const taken = this.#text.slice(0, length);
    this.#text = this.#text.slice(length);
    this.#consumed += length;
    return taken;
  }
}

interface Found {
  /** Where the tag stands, or -1. */
  readonly at: number;
  /** How much of the text surely stands before any tag. */
  readonly safeLength: number;
}

/** White space before a tag belongs to neither side, so it waits with a tag that has only begun. */
function findTag(tag: string, text: string): Found {
  const at = text.indexOf(tag);
  if (at !== -1) return { at, safeLength: at };
  return { at, safeLength: text.slice(0, text.length - heldBackLength(text, tag)).trimEnd().length };
}

interface ToolTrigger {
  readonly text: string;
  readonly isOnlyAtStart: boolean;
}

/** The text with which a model shows that it begins to call: the first tag, or for bare JSON everything up to the name. */
export function triggerOf(syntax: ToolSyntax): ToolTrigger {
  const opening = (syntax.start + openingOfCall(syntax)).trim();
  const tag = /^(?:<[^<>\s]+>|\[[A-Z_]+\])/.exec(opening)?.[0];
  if (tag !== undefined) return { text: tag, isOnlyAtStart: false };
  if (opening.startsWith("{")) return { text: opening, isOnlyAtStart: true };
  return { text: opening.split("{", 1)[0]?.trimEnd() || opening, isOnlyAtStart: false };
}

function emit(deltas: OutputDelta[], kind: "content" | "reasoning", text: string): void {
  if (text !== "") deltas.push({ kind, text });
}
