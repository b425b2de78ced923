export type LiteralMatch = { readonly kind: "match"; readonly end: number } | { readonly kind: "partial" } | { readonly kind: "mismatch" };

const isSpace = (character: string | undefined): boolean =>
  character === " " || character === "\n" || character === "\t" || character === "\r";

/** Compares `text` from `from` on with a literal in which a run of white space stands for any white space, even none. */
export function matchLiteral(literal: string, text: string, from = 0): LiteralMatch {
  let at = from;
  for (let i = 0; i < literal.length; i++) {
    if (isSpace(literal[i])) {
      while (isSpace(literal[i + 1])) i++;
      while (isSpace(text[at])) at++;
      continue;
    }
    if (at >= text.length) return { kind: "partial" };
    if (text[at] !== literal[i]) return { kind: "mismatch" };
    at++;
  }
  return { kind: "match", end: at };
}

export type LiteralSearch =
  | { readonly kind: "found"; readonly start: number; readonly end: number }
  /** Not there; the text from `safeUntil` on may be its beginning. */
  | { readonly kind: "absent"; readonly safeUntil: number };

/** Finds the first place where the literal stands, with the same freedom in white space. */
export function findLiteral(literal: string, text: string): LiteralSearch {
  for (let start = 0; start < text.length; start++) {
    const match = matchLiteral(literal, text, start);
    if (match.kind === "match") return { kind: "found", start, end: match.end };
    if (match.kind === "partial") return { kind: "absent", safeUntil: start };
  }
  return { kind: "absent", safeUntil: text.length };
}

/** How much of the end of `text` could be the beginning of `needle`. */
export function heldBackLength(text: string, needle: string): number {
  for (let length = Math.min(needle.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(needle.slice(0, length))) return length;
  }
  return 0;
}
