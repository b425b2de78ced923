import { expect, test } from "bun:test";
import { HarmonyReader } from "./harmony-reader.ts";
import { messageReply } from "./replies.ts";

function read(pieces: readonly string[], { startsInFinal = false } = {}): ReturnType<typeof messageReply> {
  let ids = 0;
  const reader = new HarmonyReader({ newId: () => `id${ids++}`, startsInFinal });
  return messageReply([...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()]);
}

/** Cut in two at every place and one character at a time; the message must not depend on the cut. */
function readEverywhere(text: string, options?: { startsInFinal?: boolean }): ReturnType<typeof messageReply> {
  const cuts = Array.from({ length: text.length + 1 }, (_cut, at) => [text.slice(0, at), text.slice(at)]);
  const messages = [...cuts, Array.from(text)].map((pieces) => read(pieces, options));
  for (const [at, message] of messages.entries()) expect({ at, message }).toEqual({ at, message: messages[0] ?? message });
  return messages[0] ?? messageReply([]);
}

const ANALYSIS = "<|channel|>analysis<|message|>Let me <b>think</b>.<|end|><|start|>assistant";

test("analysis is reasoning and the final message is content", () => {
  expect(readEverywhere(`${ANALYSIS}<|channel|>final<|message|>Hello!`)).toEqual({
    role: "assistant",
    content: "Hello!",
    reasoning_content: "Let me <b>think</b>.",
  });
});

test("a message to a function is a call, with the recipient on either side of the channel", () => {
  const calls = [
    '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city":"Rome"}',
    ' to=functions.get_weather<|channel|>commentary json<|message|>{"city":"Rome"}<|call|>',
  ];
  for (const call of calls) {
    expect(readEverywhere(ANALYSIS + call)).toMatchObject({
      content: "",
      tool_calls: [{ id: "id0", function: { name: "get_weather", arguments: '{"city":"Rome"}' } }],
    });
  }
});

test("a preamble is content, and a call may follow it", () => {
  const text = "<|channel|>commentary<|message|>I look it up.<|end|><|start|>assistant<|channel|>commentary to=functions.f<|message|>{}";
  expect(readEverywhere(text)).toMatchObject({ content: "I look it up.", tool_calls: [{ function: { name: "f", arguments: "{}" } }] });
});

test("a call of a built-in tool that nobody has offered is left out", () => {
  const text = "<|channel|>commentary to=browser.search<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>Done";
  expect(readEverywhere(text)).toEqual({ role: "assistant", content: "Done" });
});

test("an answer that the prompt has begun is content from the first character on", () => {
  expect(readEverywhere(" and so on", { startsInFinal: true }).content).toBe(" and so on");
});

test("the reader says where a call begins, before the name is complete", () => {
  const reader = new HarmonyReader({ newId: () => "id", startsInFinal: false });
  reader.push("<|channel|>commentary to=func");
  expect(reader.callsAt).toBeUndefined();
  reader.push("tions.get");
  expect(reader.callsAt).toBe("<|channel|>commentary ".length);
});
