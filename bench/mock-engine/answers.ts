/** The bytes that the mock sends: made once, shaped as llama-server shapes them. */
export interface Answers {
  /** A whole answer of about 1 kB with its headers. */
  readonly completion: Uint8Array;
  readonly streamHead: Uint8Array;
  /** One event as one chunk, as llama-server writes it. */
  readonly event: Uint8Array;
  /** The last events and the end of the chunked body. */
  readonly streamEnd: Uint8Array;
}

const TEXT =
  "The relay between a client and an engine has one duty: to add as little as it can. This sentence stands for an answer of ordinary " +
  "length, because a body of a few bytes would flatter whoever copies bodies, and one of a megabyte would hide whoever is slow per " +
  "request. Most answers that people wait for are about as long as this one, give or take a paragraph, and end in the middle of a";

export function makeAnswers(model: string): Answers {
  const common = { created: 1_760_000_000, id: "chatcmpl-8Qn3vXh2VbYwT5sK1mZr7Lc0DgUeJfPa", model, system_fingerprint: "b1-mock" };
  const usage = { completion_tokens: 96, prompt_tokens: 42, total_tokens: 138, prompt_tokens_details: { cached_tokens: 0 } };
  const timings = { cache_n: 0, prompt_n: 42, prompt_ms: 12.5, prompt_per_second: 3360, predicted_n: 96, predicted_ms: 960.25 };
  const completion = JSON.stringify({
    choices: [{ finish_reason: "length", index: 0, message: { role: "assistant", content: TEXT } }],
    ...common,
    object: "chat.completion",
    usage,
    timings,
  });
  const chunk = (choices: unknown[], more: object = {}) =>
    sseChunk(JSON.stringify({ choices, ...common, object: "chat.completion.chunk", ...more }));
  const head = (headers: string) => `HTTP/1.1 200 OK\r\nServer: llama.cpp\r\nAccess-Control-Allow-Origin: \r\n${headers}\r\n\r\n`;
  return {
    completion: bytesOf(
      head(`Content-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(completion)}`) + completion,
    ),
    streamHead: bytesOf(head("Content-Type: text/event-stream\r\nTransfer-Encoding: chunked")),
    event: bytesOf(chunk([{ finish_reason: null, index: 0, delta: { content: " token" } }])),
    streamEnd: bytesOf(`${chunk([{ finish_reason: "length", index: 0, delta: {} }], { usage, timings })}${sseChunk("[DONE]")}0\r\n\r\n`),
  };
}

function sseChunk(data: string): string {
  const event = `data: ${data}\n\n`;
  return `${Buffer.byteLength(event).toString(16)}\r\n${event}\r\n`;
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
