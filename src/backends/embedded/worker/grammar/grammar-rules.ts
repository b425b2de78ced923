/** A GBNF grammar in the making: named rules, each added once. */
export class GrammarRules {
  readonly #rules = new Map<string, string>();

  /** Adds a rule under `name`, or under a name like it when that one is taken by other content. Returns the name to refer to. */
  add(name: string, body: string): string {
    const wished = name.replaceAll(/[^a-zA-Z0-9-]+/g, "-").replace(/^-+/, "") || "rule";
    let unique = wished;
    for (let counter = 1; this.#rules.has(unique) && this.#rules.get(unique) !== body; counter++) unique = `${wished}-${counter}`;
    this.#rules.set(unique, body);
    return unique;
  }

  /** Takes a name before its content is known, for rules that refer to themselves. */
  reserve(name: string): { readonly name: string; readonly define: (body: string) => void } {
    const reserved = this.add(name, `reserved-${this.#rules.size}`);
    return { name: reserved, define: (body) => void this.#rules.set(reserved, body) };
  }

  has(name: string): boolean {
    return this.#rules.has(name);
  }

  toString(): string {
    return [...this.#rules].map(([name, body]) => `${name} ::= ${body}\n`).join("");
  }
}

/** A text as a GBNF literal. */
export function quoteLiteral(text: string): string {
  const escaped = text
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")
    .replaceAll("\t", "\\t");
  return `"${escaped}"`;
}

/** A text as GBNF in which every run of white space may be written in another way; models are not exact there. */
export function flexibleLiteral(rules: GrammarRules, text: string): string {
  const pieces = text.split(/\s+/);
  const space = rules.add("ws", "[ \\n\\t]{0,20}");
  return pieces
    .map((piece, i) => [...(i > 0 ? [space] : []), ...(piece === "" ? [] : [quoteLiteral(piece)])].join(" "))
    .join(" ")
    .trim();
}

/** Any text, even none, in which `end` does not occur: the automaton of Knuth, Morris and Pratt written as rules. */
export function textWithout(rules: GrammarRules, name: string, end: string): string {
  const characters = Array.from(end);
  const states = characters.map((_character, i) => rules.reserve(`${name}-${i}`));
  for (const [i, state] of states.entries()) {
    const moves = [...new Set(characters)].map((character) => ({ character, next: nextState(characters, i, character) }));
    // Every other character starts the search anew; the one that would complete `end` is in no alternative.
    const notable = moves.filter(({ next }) => next > 0);
    const alternatives = notable.flatMap(({ character, next }) => {
      const target = states[next];
      return target === undefined ? [] : [`${quoteLiteral(character)} ${target.name}`];
    });
    const others = `[^${notable.map(({ character }) => escapeInClass(character)).join("")}] ${states[0]?.name}`;
    state.define(["", ...alternatives, others].join(" | ").trim());
  }
  return states[0]?.name ?? rules.add(name, '""');
}

/** How many characters of `pattern` stand at the end of `pattern[0, matched) + character`. */
function nextState(pattern: readonly string[], matched: number, character: string): number {
  const text = [...pattern.slice(0, matched), character];
  for (let length = text.length; length > 0; length--) {
    if (pattern.slice(0, length).every((expected, i) => expected === text[text.length - length + i])) return length;
  }
  return 0;
}

export function escapeInClass(character: string): string {
  if (/[\]\\^-]/.test(character)) return `\\${character}`;
  return character === "\n" ? "\\n" : character === "\r" ? "\\r" : character === "\t" ? "\\t" : character;
}
