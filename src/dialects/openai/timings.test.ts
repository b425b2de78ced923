import { expect, test } from "bun:test";
import { readTimings } from "./timings.ts";

const TIMINGS = { cache_n: 6, prompt_n: 15, prompt_ms: 0.9, predicted_n: 21, predicted_ms: 4.7, predicted_per_second: 4181 };
const READ = { promptTokens: 21, cachedTokens: 6, completionTokens: 21, promptMs: 0.9, tokensPerSecond: 4181 };

test("a whole answer's timings are read, cached tokens counting as tokens of the prompt", () => {
  expect(readTimings(JSON.stringify({ choices: [], timings: TIMINGS }))).toMatchObject(READ);
});

test("an answer that quotes timings in its text is not taken in, and blanks do not hide the real ones", () => {
  const quoted = JSON.stringify({ content: JSON.stringify({ timings: { ...TIMINGS, predicted_n: 1 } }) });
  expect(readTimings(`{"timings":${JSON.stringify(TIMINGS)},"message":${quoted}}`)).toMatchObject(READ);
  expect(readTimings(quoted)).toBeUndefined();
  expect(readTimings(JSON.stringify({ timings: TIMINGS }, undefined, 1))).toMatchObject(READ);
});

test("of a stream the last event with timings counts", () => {
  const early = JSON.stringify({ timings: { ...TIMINGS, predicted_n: 1 } });
  const late = JSON.stringify({ choices: [], timings: TIMINGS });
  expect(readTimings(`data: ${early}\n\ndata: ${late}\n\ndata: [DONE]\n\n`)).toMatchObject(READ);
});

test("the tail of a stream may begin in the middle of an event", () => {
  expect(readTimings(`ent":"x"}}]}\n\ndata: ${JSON.stringify({ timings: TIMINGS })}\n\n`)).toMatchObject(READ);
});

test("an engine without timings is read by its usage", () => {
  const usage = { prompt_tokens: 5, completion_tokens: 7, prefill_duration_ttft: 0.25, decoding_speed_tps: 30 };
  expect(readTimings(JSON.stringify({ usage }))).toMatchObject({
    promptTokens: 5,
    completionTokens: 7,
    promptMs: 250,
    tokensPerSecond: 30,
  });
});

test("an error, a cut answer and plain text have no timings", () => {
  for (const text of ['{"error":{"message":"x"}}', '{"timings":{"prompt_n":', "data: [DONE]\n\n", ""])
    expect(readTimings(text)).toBeUndefined();
});
