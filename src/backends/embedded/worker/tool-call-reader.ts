import { JsonScanner } from "./json-scanner.ts";
import { matchLiteral } from "./match-literal.ts";
import type { OutputDelta } from "./output-delta.ts";
import { TaggedArgumentsReader } from "./tagged-arguments.ts";
import type { CallPart, ToolSyntax } from "./tool-syntax.ts";
import { unreachable } from "./unreachable.ts";

export interface ToolCallReaderOptions {
  readonly syntax: ToolSyntax;
  /** Whether a parameter of a function takes a string; decides how a value between tags is read. */
  readonly isStringParameter: (functionName: string, parameter: string) => boolean;
  /** Makes the id of a call whose syntax has none. */
  readonly newId: () => string;
}

type Progress = "waiting" | "next" | "over";

/** Reads the calls of one answer, from the begin of the first one, out of text that arrives in pieces. */
export class ToolCallReader {
  readonly #options: ToolCallReaderOptions;
  readonly #opening: string;
  #text = "";
  /** Index into the parts of a call; -1 before the first call, past the last part between two calls. */
  #part = -1;
  #isOver = false;
  #count = 0;
  #name = "";
  #id: string | undefined;
  #hasBegun = false;
  #scanner = new JsonScanner();
  #tagged: TaggedArgumentsReader | undefined;

  constructor(options: ToolCallReaderOptions) {
    this.#options = options;
    this.#opening = options.syntax.start + openingOfCall(options.syntax);
  }

  get count(): number {
    return this.#count;
  }

  /** Reads on. `rest` is the text that follows the calls; once it is there, the reader has done its work. */
  push(text: string, deltas: OutputDelta[]): { readonly rest?: string | undefined } {
    this.#text += text;
    while (!this.#isOver) {
      const progress = this.#step(deltas);
      if (progress === "waiting") return {};
      if (progress === "over") this.#isOver = true;
    }
    const rest = this.#text;
    this.#text = "";
    return { rest };
  }

  /** The answer ends here, maybe in the middle of a call. Returns text that turned out to be no call. */
  end(deltas: OutputDelta[]): string {
    if (this.#name !== "" && !this.#hasBegun) this.#emit("", deltas);
    return this.#part === -1 ? this.#text : "";
  }

  #step(deltas: OutputDelta[]): Progress {
    const { call } = this.#options.syntax;
    if (this.#part === -1) return this.#takeLiteral(` ${this.#opening}`);
    const part = call[this.#part];
    if (part === undefined) return this.#stepBetweenCalls();
    switch (part.kind) {
      case "literal":
        return this.#takeLiteral(part.text);
      case "name":
        return this.#takeWord(/^[\w.\-/]+/, (word) => (this.#name = word));
      case "id":
        return this.#takeWord(/^[\w.\-:]+/, (word) => (this.#id = word));
      case "index":
        return this.#takeWord(/^\d+/, () => undefined);
      case "arguments":
        return this.#takeArguments(deltas);
      case "tagged-arguments":
        return this.#takeTaggedArguments(part, deltas);
      default:
        return unreachable(part);
    }
  }

  #takeLiteral(literal: string): Progress {
    const match = matchLiteral(literal, this.#text);
    if (match.kind === "partial") return "waiting";
    if (match.kind === "mismatch") return "over";
    this.#text = this.#text.slice(match.end);
    // The opening holds the first part of the first call as well.
    this.#part = this.#part === -1 ? 1 : this.#part + 1;
    return "next";
  }

  #takeWord(pattern: RegExp, keep: (word: string) => void): Progress {
    const word = pattern.exec(this.#text)?.[0];
    if (word === undefined) return this.#text === "" ? "waiting" : "over";
    if (word.length === this.#text.length) return "waiting"; // It may go on.
    keep(word);
    this.#text = this.#text.slice(word.length);
    this.#part++;
    return "next";
  }

  #takeArguments(deltas: OutputDelta[]): Progress {
    this.#text = this.#hasBegun ? this.#text : this.#text.trimStart();
    if (this.#text === "") return "waiting";
    const { length, isComplete } = this.#scanner.scan(this.#text);
    this.#emit(this.#text.slice(0, length), deltas);
    this.#text = this.#text.slice(length);
    if (!isComplete) return "waiting";
    this.#part++;
    return "next";
  }

  #takeTaggedArguments({ tags }: Extract<CallPart, { kind: "tagged-arguments" }>, deltas: OutputDelta[]): Progress {
    const name = this.#name;
    this.#tagged ??= new TaggedArgumentsReader(tags, this.#literalAfter(), (parameter) => this.#options.isStringParameter(name, parameter));
    this.#tagged.text += this.#text;
    const progress = this.#tagged.read((json) => this.#emit(json, deltas));
    this.#text = "";
    if (progress === "waiting") return "waiting";
    this.#text = this.#tagged.text;
    this.#part++;
    return progress === "complete" ? "next" : "over";
  }

  #literalAfter(): string {
    const next = this.#options.syntax.call[this.#part + 1];
    return next?.kind === "literal" ? next.text : "";
  }

  #stepBetweenCalls(): Progress {
    const { separator, end } = this.#options.syntax;
    const another = separator === undefined ? undefined : matchLiteral(` ${separator}${openingOfCall(this.#options.syntax)}`, this.#text);
    if (another?.kind === "match") {
      this.#text = this.#text.slice(another.end);
      this.#beginNextCall();
      return "next";
    }
    const closing = end.trim() === "" ? undefined : matchLiteral(` ${end}`, this.#text);
    if (closing?.kind === "match") {
      this.#text = this.#text.slice(closing.end);
      return "over";
    }
    return another?.kind === "partial" || closing?.kind === "partial" ? "waiting" : "over";
  }

  #beginNextCall(): void {
    this.#part = 1;
    this.#name = "";
    this.#id = undefined;
    this.#hasBegun = false;
    this.#scanner = new JsonScanner();
    this.#tagged = undefined;
  }

  #emit(text: string, deltas: OutputDelta[]): void {
    if (this.#hasBegun) {
      if (text !== "") deltas.push({ kind: "tool-arguments", index: this.#count - 1, text });
      return;
    }
    this.#hasBegun = true;
    deltas.push({ kind: "tool-call", index: this.#count, id: this.#id ?? this.#options.newId(), name: this.#name, text });
    this.#count++;
  }
}

/** The literal with which every call begins. */
export function openingOfCall(syntax: ToolSyntax): string {
  const first = syntax.call[0];
  return first?.kind === "literal" ? first.text : "";
}
