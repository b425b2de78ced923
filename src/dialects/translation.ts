/**
 * Turns an engine's successful answer into what the client asked for, where the two differ. Made for one request: it may remember what it
 * has seen.
 */
export interface Translation {
  /** One or more whole server-sent events, as text, into none or more. */
  readonly events: (text: string) => string;
  /** A whole JSON answer. */
  readonly whole: (text: string) => string;
}

/** Comments between events: engines keep a connection awake with them while they read a long prompt. */
export function commentsOf(text: string): string {
  if (!/^:/m.test(text)) return "";
  return text
    .split("\n")
    .filter((line) => line.startsWith(":"))
    .map((line) => `${line.trimEnd()}\n\n`)
    .join("");
}

/** What follows `data: ` in each event of one or more whole ones. */
export function* dataOf(text: string): Generator<string> {
  for (const line of text.split("\n")) {
    if (line.startsWith("data: ")) yield line.slice("data: ".length).trimEnd(); // A carriage return may be left of the line's end.
  }
}

/**
 * Maps the JSON of each event; an event that maps to undefined, and one that says nothing (llama-server's first of several prompts), is
 * left out. `[DONE]` stays, and so do comments.
 */
export function mapEventData(text: string, map: (data: Record<string, unknown>) => Record<string, unknown> | undefined): string {
  let result = commentsOf(text);
  for (const data of dataOf(text)) {
    if (data === "null") continue;
    if (!data.startsWith("{")) {
      result += `data: ${data}\n\n`;
      continue;
    }
    const mapped = map(JSON.parse(data) as Record<string, unknown>); // An engine's own event: checked by its first character.
    if (mapped !== undefined) result += `data: ${JSON.stringify(mapped)}\n\n`;
  }
  return result;
}

/** One translation after the other. */
export function inTurn(first: Translation, second: Translation | undefined): Translation {
  if (second === undefined) return first;
  return {
    events: (text) => second.events(first.events(text)),
    whole: (text) => second.whole(first.whole(text)),
  };
}
