import type { AnswerReader } from "./answer-reader.ts";
import { heldBackLength } from "./match-literal.ts";
import type { OutputDelta } from "./output-delta.ts";

const MESSAGE = "<|message|>";
/** What ends a message; the last two also end the answer. */
const ENDS = ["<|end|>", "<|start|>", "<|call|>", "<|return|>"];
const RECIPIENT = /to=functions\.([\w.\-/]+)/;

type Body = "reasoning" | "content" | "call" | "ignored";

export interface HarmonyReaderOptions {
  readonly newId: () => string;
  /** The prompt has opened the final message already. */
  readonly startsInFinal: boolean;
}

/**
 * Reads the answers of gpt-oss, which are messages on channels: `<|channel|>analysis<|message|>…<|end|><|start|>assistant…`. Analysis
 * is reasoning, a message to `functions.NAME` is a call, everything else is content.
 */
export class HarmonyReader implements AnswerReader {
  readonly #options: HarmonyReaderOptions;
  #text = "";
  #consumed = 0;
  #body: Body | undefined;
  #calls = 0;
  #hasBegunCall = false;
  #callsAt: number | undefined;

  constructor(options: HarmonyReaderOptions) {
    this.#options = options;
    if (options.startsInFinal) this.#body = "content";
  }

  get callsAt(): number | undefined {
    return this.#callsAt;
  }

  /** The grammar of an answer holds from its first header on, so nobody has to wait for the end of the reasoning. */
  get answerAt(): undefined {
    return undefined;
  }

  get toolCallCount(): number {
    return this.#calls;
  }

  push(text: string): OutputDelta[] {
    const deltas: OutputDelta[] = [];
    this.#text += text;
    while (this.#body === undefined ? this.#readHeader(deltas) : this.#readBody(this.#body, deltas)) {
      // Header, body, header, …
    }
    return deltas;
  }

  end(): OutputDelta[] {
    const deltas: OutputDelta[] = [];
    if (this.#body !== undefined) this.#emit(this.#body, this.#take(this.#text.length), deltas);
    return deltas;
  }

  #readHeader(deltas: OutputDelta[]): boolean {
    const recipientAt = this.#text.search(RECIPIENT);
    if (recipientAt !== -1) this.#callsAt ??= this.#consumed + recipientAt;
    const at = this.#text.indexOf(MESSAGE);
    if (at === -1) return false;
    const header = this.#take(at + MESSAGE.length);
    const name = RECIPIENT.exec(header)?.[1];
    if (name !== undefined) {
      this.#body = "call";
      this.#hasBegunCall = false;
      deltas.push({ kind: "tool-call", index: this.#calls++, id: this.#options.newId(), name, text: "" });
    } else if (/ to=(?!assistant)/.test(header)) this.#body = "ignored"; // A built-in tool that nobody has offered.
    else this.#body = header.includes("<|channel|>analysis") ? "reasoning" : "content";
    return true;
  }

  #readBody(body: Body, deltas: OutputDelta[]): boolean {
    const found = ENDS.map((end) => ({ end, at: this.#text.indexOf(end) }))
      .filter(({ at }) => at !== -1)
      .toSorted((a, b) => a.at - b.at)[0];
    if (found === undefined) {
      const held = Math.max(...ENDS.map((end) => heldBackLength(this.#text, end)));
      this.#emit(body, this.#take(this.#text.length - held), deltas);
      return false;
    }
    this.#emit(body, this.#take(found.at), deltas);
    this.#take(found.end.length);
    this.#body = undefined;
    return true;
  }

  #emit(body: Body, text: string, deltas: OutputDelta[]): void {
    if (text === "" || body === "ignored") return;
    if (body !== "call") {
      deltas.push({ kind: body, text });
      return;
    }
    const last = deltas.at(-1);
    // The first piece of the arguments comes with the name.
    if (!this.#hasBegunCall && last?.kind === "tool-call") deltas[deltas.length - 1] = { ...last, text };
    else deltas.push({ kind: "tool-arguments", index: this.#calls - 1, text });
    this.#hasBegunCall = true;
  }

  #take(length: number): string {
    const taken = this.#text.slice(0, length);
    this.#text = this.#text.slice(length);
    this.#consumed += length;
    return taken;
  }
}
