const LF = 10;
const CR = 13;

/**
 * How many bytes of a chunk of server-sent events belong to complete events: the position after the last blank line, or 0.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream (LF and CRLF line ends).
 */
export function completeEventsLength(bytes: Uint8Array): number {
  for (let i = bytes.length - 1; i > 0; i--) {
    if (bytes[i] !== LF) continue;
    if (bytes[i - 1] === LF) return i + 1;
    if (bytes[i - 1] === CR && bytes[i - 2] === LF) return i + 1;
  }
  return 0;
}

/**
 * What is left of a stream that has ended without the blank line after its last event: that event made whole, or undefined when it was torn.
 * Events of model servers carry JSON, or `[DONE]`.
 */
export function completeLastEvent(rest: Uint8Array): string | undefined {
  const text = new TextDecoder().decode(rest).trimEnd();
  const lines = text.split(/\r?\n/);
  const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice("data:".length));
  // A comment has nothing that a reader would miss.
  if (data.length === 0 && lines.every((line) => line.startsWith(":"))) return `${text}\n\n`;
  const value = data.join("\n").trim();
  return value === "[DONE]" || isJson(value) ? `${text}\n\n` : undefined;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
