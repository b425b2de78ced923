import { InvalidArgumentError } from "commander";

/** A context size as it is typed. */
export function tokenCount(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a number of tokens.");
}

/** The value that may stand behind a flag, as Lemonade's first version wanted it. */
export function trueOrFalse(text: string): boolean {
  if (/^(?:true|false)$/i.test(text)) return text.toLowerCase() === "true";
  throw new InvalidArgumentError("It must be true or false.");
}

export function someText(text: string): string {
  if (text.trim() !== "") return text;
  throw new InvalidArgumentError("It is empty.");
}
