/** Finds the end of one JSON value in text that arrives in pieces. */
export class JsonScanner {
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  #hasBegun = false;

  /** How many characters of `text` belong to the value, and whether it ends there. White space before the value counts to it. */
  scan(text: string): { readonly length: number; readonly isComplete: boolean } {
    for (let at = 0; at < text.length; at++) {
      const character = text[at] ?? "";
      if (this.#isInString) {
        this.#readInString(character);
        if (!this.#isInString && this.#depth === 0) return { length: at + 1, isComplete: true };
        continue;
      }
      if (this.#hasBegun && this.#depth === 0 && /[\s,}\]]/.test(character)) return { length: at, isComplete: true };
      if (!/\s/.test(character)) this.#hasBegun = true;
      if (character === '"') this.#isInString = true;
      else if (character === "{" || character === "[") this.#depth++;
      else if (character === "}" || character === "]") {
        this.#depth--;
        if (this.#depth === 0) return { length: at + 1, isComplete: true };
      }
    }
    return { length: text.length, isComplete: false };
  }

  #readInString(character: string): void {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (character === "\\") this.#isEscaped = true;
    else if (character === '"') this.#isInString = false;
  }
}
