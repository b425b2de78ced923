import { expect, test } from "bun:test";
import { SseDecoder, type ServerSentEvent } from "./sse-decoder.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decodeAll = (text: string): ServerSentEvent[] => new SseDecoder().push(encode(text));

const STREAM = `\uFEFF: a comment\r\nevent: first\ndata: {"a": 1}\n\ndata:two\rdata:  lines 🍋\r\r\nid: 7\nretry: 10\n\ndata\n\ndata: [DONE]\n\n`;
const EVENTS: readonly ServerSentEvent[] = [
  { event: "first", data: '{"a": 1}' },
  { event: "message", data: "two\n lines 🍋" },
  { event: "message", data: "" },
  { event: "message", data: "[DONE]" },
];

test("every kind of line end, comments, names and several data lines are understood", () => {
  expect(decodeAll(STREAM)).toEqual([...EVENTS]);
});

test("the events are the same wherever the stream is cut", () => {
  const bytes = encode(STREAM);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const decoder = new SseDecoder();
    expect([...decoder.push(bytes.subarray(0, cut)), ...decoder.push(bytes.subarray(cut))]).toEqual([...EVENTS]);
  }
  const decoder = new SseDecoder();
  expect([...bytes].flatMap((byte) => decoder.push(Uint8Array.of(byte)))).toEqual([...EVENTS]);
});

test("an event without its blank line is not handed over", () => {
  expect(decodeAll("data: half\n")).toEqual([]);
});

test("an event that never ends cannot fill the memory", () => {
  const decoder = new SseDecoder({ maxEventLength: 100 });
  decoder.push(encode("data: 0123456789\n".repeat(5)));
  expect(() => decoder.push(encode("data: 0123456789\n".repeat(6)))).toThrow(RangeError);
  const endless = new SseDecoder({ maxEventLength: 100 });
  expect(() => endless.push(encode("x".repeat(101)))).toThrow(RangeError);
});
