import { quoteLiteral, type GrammarRules } from "./grammar-rules.ts";

const CLASSES: Readonly<Record<string, string>> = {
  d: "[0-9]",
  D: '[^0-9"\\\\\\x00-\\x1F]',
  w: "[a-zA-Z0-9_]",
  W: '[^a-zA-Z0-9_"\\\\\\x00-\\x1F]',
  s: "[ ]",
  S: '[^ "\\\\\\x00-\\x1F]',
};
const CONTROL: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", f: "\f", v: "\v" };

/**
 * The content of a JSON string that matches a regular expression, as GBNF. Understands literals, classes, groups, alternatives and
 * quantifiers; throws on look-around and back references.
 */
export function patternGrammar(rules: GrammarRules, pattern: string): string {
  const reader = new PatternReader(rules, pattern.replace(/^\^/, "").replace(/(?<!\\)\$$/, ""));
  const matched = reader.readAlternatives();
  if (!reader.isAtEnd) throw new Error(`unbalanced parenthesis in pattern ${pattern}`);
  // Without anchors a pattern may match anywhere in the string.
  const anything = `${rules.add("char", CHAR)}*`;
  return [...(pattern.startsWith("^") ? [] : [anything]), `(${matched})`, ...(/(?<!\\)\$$/.test(pattern) ? [] : [anything])].join(" ");
}

/** One character of a JSON string, as written. */
export const CHAR = String.raw`[^"\\\x7F\x00-\x1F] | [\\] (["\\bfnrt] | "u" [0-9a-fA-F]{4})`;

class PatternReader {
  readonly #rules: GrammarRules;
  readonly #text: string;
  #at = 0;

  constructor(rules: GrammarRules, text: string) {
    this.#rules = rules;
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  readAlternatives(): string {
    const alternatives = [this.#readSequence()];
    while (this.#take("|")) alternatives.push(this.#readSequence());
    return alternatives.join(" | ");
  }

  #readSequence(): string {
    const parts: string[] = [];
    while (!this.isAtEnd && !/[|)]/.test(this.#peek())) parts.push(this.#readAtom() + this.#readQuantifier());
    return parts.length === 0 ? '""' : parts.join(" ");
  }

  #readAtom(): string {
    const character = this.#next();
    if (character === ".") return this.#rules.add("char", CHAR);
    if (character === "[") return this.#readClass();
    if (character === "\\") return this.#readEscape();
    if (character === "(") return this.#readGroup();
    if (/[*+?^$]/.test(character)) throw new Error(`unsupported ${character} in pattern ${this.#text}`);
    return literalInString(character);
  }

  #readGroup(): string {
    if (this.#take("?")) {
      if (!this.#take(":")) throw new Error(`unsupported group in pattern ${this.#text}`);
    }
    const inner = this.readAlternatives();
    if (!this.#take(")")) throw new Error(`unbalanced parenthesis in pattern ${this.#text}`);
    return `(${inner})`;
  }

  #readEscape(): string {
    const character = this.#next();
    const known = CLASSES[character];
    if (known !== undefined) return known;
    if (/[1-9bBpPk]/.test(character)) throw new Error(`unsupported \\${character} in pattern ${this.#text}`);
    return literalInString(CONTROL[character] ?? character);
  }

  /** GBNF's classes are those of regular expressions without `\d` and its like. */
  #readClass(): string {
    let body = "";
    while (!this.isAtEnd && this.#peek() !== "]") {
      const character = this.#next();
      if (character !== "\\") {
        body += character === "[" ? "\\[" : character;
        continue;
      }
      const escaped = this.#next();
      const inner = CLASSES[escaped];
      if (inner !== undefined && escaped === escaped.toLowerCase()) body += inner.slice(1, -1);
      else if (inner !== undefined) throw new Error(`unsupported class in pattern ${this.#text}`);
      else body += /[\]\\[]/.test(escaped) ? `\\${escaped}` : escaped === "-" ? "\\x2D" : escaped;
    }
    if (!this.#take("]")) throw new Error(`unbalanced bracket in pattern ${this.#text}`);
    return `[${body}]`;
  }

  #readQuantifier(): string {
    const found = /^(?:[*+?]|\{\d+(?:,\d*)?\})/.exec(this.#text.slice(this.#at));
    if (found === null) return "";
    this.#at += found[0].length;
    this.#take("?"); // Lazy or greedy: the same strings match.
    return found[0];
  }

  #peek(): string {
    return this.#text[this.#at] ?? "";
  }

  #next(): string {
    const character = String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0);
    this.#at += character.length;
    return character;
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }
}

/** A character as it stands inside a JSON string. */
const literalInString = (character: string): string => quoteLiteral(JSON.stringify(character).slice(1, -1));
