import { expect, test } from "bun:test";
import { DEFAULT_SAMPLING, generationOptions } from "./generation-options.ts";

const read = (body: Record<string, unknown>) => generationOptions(body, { defaults: DEFAULT_SAMPLING, slots: 4 });

test("an empty request has llama-server's defaults", () => {
  expect(read({})).toMatchObject({
    sampling: { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05, seed: undefined, repeatPenalty: 1 },
    maxTokens: undefined,
    stops: [],
    choiceCount: 1,
    probabilityCount: 0,
    reusesCache: true,
    isStream: false,
  });
});

test("null counts as absent", () => {
  expect(read({ temperature: null, stop: null, max_tokens: null, seed: null, stream_options: null })).toEqual(read({}));
});

test("the names of the token limit go from the most to the least particular", () => {
  expect(read({ max_tokens: 1, max_completion_tokens: 2, n_predict: 3 }).maxTokens).toBe(3);
  expect(read({ max_tokens: 1, max_completion_tokens: 2 }).maxTokens).toBe(2);
  expect(read({ max_tokens: -1 }).maxTokens).toBeUndefined();
});

test("values out of a soft range move to its bound, out of a hard one they are refused", () => {
  expect(read({ temperature: -1, top_p: 7 }).sampling).toMatchObject({ temperature: 0, topP: 1 });
  expect(() => read({ max_tokens: -5 })).toThrow("Field 'max_tokens': Value must be between -1 <= value <= 2147483647, but got -5");
  expect(() => read({ n: 5 })).toThrow("Field 'n': Value must be between 1 <= value <= 4, but got 5");
});

test("a value of the wrong type is refused by name", () => {
  expect(() => read({ temperature: "hot" })).toThrow(
    "Field 'temperature': [json.exception.type_error.302] type must be number, but is string",
  );
  expect(() => read({ stream: "yes" })).toThrow("Field 'stream'");
});

test("-1 and its unsigned twin ask for a random seed", () => {
  expect(read({ seed: -1 }).sampling.seed).toBeUndefined();
  expect(read({ seed: 4_294_967_295 }).sampling.seed).toBeUndefined();
  expect(read({ seed: 42 }).sampling.seed).toBe(42);
});

test("stop takes one text or several", () => {
  expect(read({ stop: "a" }).stops).toEqual(["a"]);
  expect(read({ stop: ["a", "b"] }).stops).toEqual(["a", "b"]);
});

test("logprobs is a switch with top_logprobs, or a number", () => {
  expect(read({ logprobs: true }).probabilityCount).toBe(20);
  expect(read({ logprobs: true, top_logprobs: 3 }).probabilityCount).toBe(3);
  expect(read({ logprobs: 5 }).probabilityCount).toBe(5);
  expect(read({ logprobs: false }).probabilityCount).toBe(0);
  expect(() => read({ top_logprobs: 3 })).toThrow("top_logprobs requires logprobs");
});

test("a logit bias is a list of pairs or an object; false bans", () => {
  expect(
    read({
      logit_bias: [
        [5, 1],
        ["word", -2],
        [7, false],
      ],
    }).sampling.logitBias,
  ).toEqual([
    [5, 1],
    ["word", -2],
    [7, -Infinity],
  ]);
  expect(read({ logit_bias: { "5": -100 } }).sampling.logitBias).toEqual([[5, -100]]);
});
