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
