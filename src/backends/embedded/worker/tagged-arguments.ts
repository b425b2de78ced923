import { findLiteral, heldBackLength, matchLiteral } from "./match-literal.ts";
import type { ArgumentTags } from "./tool-syntax.ts";

/** Says of a parameter whether its value stands between the tags as it is, or as JSON. */
export type IsStringParameter = (name: string) => boolean;

export type TaggedProgress = "waiting" | "complete" | "malformed";

/**
 * Rewrites `<parameter=NAME>\nVALUE\n</parameter>…` as one JSON object, piece by piece. `tail` is the literal that follows the last
 * argument; it is left in the text.
 */
export class TaggedArgumentsReader {
  readonly #tags: ArgumentTags;
  readonly #tail: string;
  readonly #isString: IsStringParameter;
  #phase: "between" | "name" | "value" = "between";
  #count = 0;
  #isStringValue = false;
  /** Text to read; the caller appends to it. */
  text = "";

  constructor(tags: ArgumentTags, tail: string, isString: IsStringParameter) {
    this.#tags = tags;
    this.#tail = tail;
    this.#isString = isString;
  }

  /** Reads as far as `text` goes and hands JSON text to `emit`. */
  read(emit: (json: string) => void): TaggedProgress {
    for (;;) {
      const progress =
        this.#phase === "between" ? this.#readBetween(emit) : this.#phase === "name" ? this.#readName(emit) : this.#readValue(emit);
      if (progress !== "next") return progress;
    }
  }

  #readBetween(emit: (json: string) => void): TaggedProgress | "next" {
    const another = matchLiteral(` ${this.#tags.beforeName}`, this.text);
    if (another.kind === "match") {
      this.text = this.text.slice(another.end);
      this.#phase = "name";
      return "next";
    }
    const tail = matchLiteral(` ${this.#tail}`, this.text);
    if (tail.kind === "match") {
      emit(this.#count === 0 ? "{}" : "}");
      return "complete";
    }
    return another.kind === "partial" || tail.kind === "partial" ? "waiting" : "malformed";
  }

  #readName(emit: (json: string) => void): TaggedProgress | "next" {
    const { beforeValue } = this.#tags;
    const found = findLiteral(beforeValue.trimEnd(), this.text);
    if (found.kind === "absent") return "waiting";
    const hasLineEnd = beforeValue.endsWith("\n");
    // Only the line end of the template goes; further white space belongs to the value.
    if (hasLineEnd && found.end === this.text.length) return "waiting";
    const name = this.text.slice(0, found.start).trim();
    this.text = this.text.slice(found.end);
    if (hasLineEnd && this.text.startsWith("\n")) this.text = this.text.slice(1);
    this.#isStringValue = this.#isString(name);
    emit(`${this.#count === 0 ? "{" : ","}${JSON.stringify(name)}:${this.#isStringValue ? '"' : ""}`);
    this.#count++;
    this.#phase = "value";
    return "next";
  }

  #readValue(emit: (json: string) => void): TaggedProgress | "next" {
    const end = this.#tags.afterValue.trimStart();
    const hasLineEnd = this.#tags.afterValue.startsWith("\n");
    const at = this.text.indexOf(end);
    if (at === -1) {
      if (!this.#isStringValue) return "waiting";
      let safe = this.text.length - heldBackLength(this.text, end);
      if (hasLineEnd && this.text[safe - 1] === "\n") safe--;
      if (isHighSurrogate(this.text, safe - 1)) safe--; // JSON text is cut between characters only.
      if (safe > 0) emit(JSON.stringify(this.text.slice(0, safe)).slice(1, -1));
      this.text = this.text.slice(Math.max(safe, 0));
      return "waiting";
    }
    let value = this.text.slice(0, at);
    if (hasLineEnd && value.endsWith("\n")) value = value.slice(0, -1);
    this.text = this.text.slice(at + end.length);
    emit(this.#isStringValue ? `${JSON.stringify(value).slice(1, -1)}"` : asJson(value.trim()));
    this.#phase = "between";
    return "next";
  }
}

const isHighSurrogate = (text: string, at: number): boolean => /[\uD800-\uDBFF]/.test(text[at] ?? "");

const PYTHON_WORDS: Readonly<Record<string, string>> = { True: "true", False: "false", None: "null" };

/** A value that should be JSON; models also write Python's words and bare text. */
function asJson(value: string): string {
  try {
    JSON.parse(value);
    return value;
  } catch {
    return PYTHON_WORDS[value] ?? JSON.stringify(value);
  }
}
