import { expect, test } from "bun:test";
import { chatChunk, deltaReply, messageReply, textCompletion, timings, usage } from "./replies.ts";

const HEAD = { id: "chatcmpl-1", created: 1, model: "m", fingerprint: "b0-x" };
const COUNTS = { promptTokens: 12, cachedTokens: 8, generatedTokens: 5, promptMs: 2, generationMs: 4 };

test("usage counts cached tokens as part of the prompt", () => {
  expect(usage(COUNTS)).toEqual({ completion_tokens: 5, prompt_tokens: 12, total_tokens: 17, prompt_tokens_details: { cached_tokens: 8 } });
});

test("timings count the first token to the prompt phase", () => {
  expect(timings(COUNTS)).toEqual({
    cache_n: 8,
    prompt_n: 4,
    prompt_ms: 2,
    prompt_per_token_ms: 0.5,
    prompt_per_second: 2000,
    predicted_n: 5,
    predicted_ms: 4,
    predicted_per_token_ms: 1,
    predicted_per_second: 1000,
  });
});

test("timings of an answer of one token have no infinite rates", () => {
  const one = timings({ ...COUNTS, cachedTokens: 12, generatedTokens: 1, generationMs: 0 });
  expect(Object.values(one).every(Number.isFinite)).toBe(true);
});

test("deltas put together are the message", () => {
  const message = messageReply([
    { kind: "reasoning", text: "h" },
    { kind: "reasoning", text: "m" },
    { kind: "content", text: "a" },
    { kind: "tool-call", index: 0, id: "x", name: "f", text: "{" },
    { kind: "tool-arguments", index: 0, text: "}" },
  ]);
  expect(message).toEqual({
    role: "assistant",
    content: "a",
    reasoning_content: "hm",
    tool_calls: [{ type: "function", function: { name: "f", arguments: "{}" }, id: "x" }],
  });
});

test("the first delta of a call names it, the others carry arguments only", () => {
  expect(deltaReply({ kind: "tool-call", index: 1, id: "x", name: "f", text: "{" })).toEqual({
    tool_calls: [{ index: 1, id: "x", type: "function", function: { name: "f", arguments: "{" } }],
  });
  expect(deltaReply({ kind: "tool-arguments", index: 1, text: "}" })).toEqual({ tool_calls: [{ index: 1, function: { arguments: "}" } }] });
});

test("a chunk without a choice has an empty list", () => {
  expect(chatChunk(HEAD, undefined, { usage: 1 })).toMatchObject({ choices: [], usage: 1, object: "chat.completion.chunk" });
});

test("only the last chunk of a text carries usage and timings", () => {
  const choice = { index: 0, text: "", logprobs: [] };
  expect(textCompletion(HEAD, [{ ...choice, finishReason: null }])).not.toHaveProperty("usage");
  expect(textCompletion(HEAD, [{ ...choice, finishReason: "stop" }], COUNTS)).toHaveProperty("timings.predicted_n", 5);
});
