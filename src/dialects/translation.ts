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

/** Splits whole events into the JSON after `data: ` and maps each; an event that maps to undefined is left out. `[DONE]` stays. */
export function mapEventData(text: string, map: (data: Record<string, unknown>) => Record<string, unknown> | undefined): string {
  let result = "";
  for (const line of text.split("\n")) {
    if (!line.startsWith("data: ")) continue;
    const data = line.slice("data: ".length);
    if (!data.startsWith("{")) {
      result += `${line}\n\n`;
      continue;
    }
    const mapped = map(JSON.parse(data) as Record<string, unknown>); // An engine's own event: checked by its first character.
    if (mapped !== undefined) result += `data: ${JSON.stringify(mapped)}\n\n`;
  }
  return result;
}
