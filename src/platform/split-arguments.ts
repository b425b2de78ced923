import { RouterError } from "../errors.ts";

/**
 * Splits a line of engine arguments: blanks separate, single or double quotes group and are removed, there is no escape character
 * (the rule of Lemonade's `--llamacpp-args`, so that Windows paths survive).
 */
export function splitArguments(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (const char of line) {
    if (quote !== undefined) {
      if (char === quote) quote = undefined;
      else word += char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= "";
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + char;
  }
  if (quote !== undefined) throw new RouterError("CONFIG_INVALID", `A quote (${quote}) is not closed in the arguments: ${line}`);
  if (word !== undefined) words.push(word);
  return words;
}
