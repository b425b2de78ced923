export interface ServerSentEvent {
  /** `message` unless the stream names another one. */
  readonly event: string;
  /** The `data` lines of the event, joined with line feeds. */
  readonly data: string;
}

/** An event of a chat is a few hundred bytes, one with log probabilities or an image some megabytes. */
const MAX_EVENT_LENGTH = 64 * 2 ** 20;

/**
 * Reads server-sent events from a stream of bytes cut anywhere:
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation. `id` and `retry` are for clients that
 * reconnect and are passed over.
 */
export class SseDecoder {
  readonly #decoder = new TextDecoder(); // It drops a byte order mark, as the specification asks.
  readonly #maxEventLength: number;
  #line = "";
  #endsWithCr = false;
  #data: string[] = [];
  #dataLength = 0;
  #event = "";

  constructor({ maxEventLength = MAX_EVENT_LENGTH }: { readonly maxEventLength?: number | undefined } = {}) {
    this.#maxEventLength = maxEventLength;
  }

  /**
   * The events that are complete with these bytes. An event that its stream never completes is dropped, as the specification says.
   * @throws RangeError when one event grows beyond its bound.
   */
  push(bytes: Uint8Array): ServerSentEvent[] {
    const text = this.#decoder.decode(bytes, { stream: true });
    const events: ServerSentEvent[] = [];
    let start = 0;
    // A CR and the LF after it are one line end, also when a border of chunks lies between them.
    if (this.#endsWithCr && text.startsWith("\n")) start = 1;
    if (text !== "") this.#endsWithCr = text.endsWith("\r");
    const lineEnd = /\r\n?|\n/g;
    lineEnd.lastIndex = start;
    for (let match = lineEnd.exec(text); match !== null; match = lineEnd.exec(text)) {
      const event = this.#takeLine(this.#line + text.slice(start, match.index));
      if (event !== undefined) events.push(event);
      this.#line = "";
      start = lineEnd.lastIndex;
    }
    this.#line += text.slice(start);
    if (this.#line.length + this.#dataLength > this.#maxEventLength) {
      throw new RangeError(`A server-sent event is longer than ${this.#maxEventLength} characters`);
    }
    return events;
  }

  #takeLine(line: string): ServerSentEvent | undefined {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "event") this.#event = value;
    if (field === "data") {
      this.#data.push(value);
      this.#dataLength += value.length;
    }
    return undefined;
  }

  #dispatch(): ServerSentEvent | undefined {
    const event = this.#data.length === 0 ? undefined : { event: this.#event || "message", data: this.#data.join("\n") };
    this.#data = [];
    this.#dataLength = 0;
    this.#event = "";
    return event;
  }
}
