import { expect, test } from "bun:test";
import { completeEventsLength, completeLastEvent } from "./sse.ts";

const encode = (text: string) => new TextEncoder().encode(text);

test("complete events end with the last blank line, in both kinds of line ends", () => {
  expect(completeEventsLength(encode("data: 1\n\ndata: 2\n"))).toBe("data: 1\n\n".length);
  expect(completeEventsLength(encode("data: 1\r\n\r\ndata"))).toBe("data: 1\r\n\r\n".length);
  expect(completeEventsLength(encode("data: 1\n"))).toBe(0);
});

test("a last event that only lacks its blank line is made whole, wherever the line end was cut", () => {
  for (const end of ["", "\n", "\r\n"]) {
    expect(completeLastEvent(encode(`data: [DONE]${end}`))).toBe("data: [DONE]\n\n");
    expect(completeLastEvent(encode(`event: x\ndata: {"a":1}${end}`))).toBe('event: x\ndata: {"a":1}\n\n');
    expect(completeLastEvent(encode(`: ping${end}`))).toBe(": ping\n\n");
  }
});

test("a torn event is none, wherever it was cut", () => {
  const event = 'event: x\ndata: {"text":"Grüß dich 🍋"}';
  const bytes = encode(event);
  for (let cut = 1; cut < bytes.length; cut++) expect(completeLastEvent(bytes.subarray(0, cut))).toBeUndefined();
});
