import { expect, test } from "bun:test";
import type { AnswerTimings } from "../dialects/index.ts";
import { AnswerFigures } from "./answer-figures.ts";

function figures(promptMs: number, tokens: { cached?: number; completion?: number } = {}): AnswerTimings {
  const { cached = 0, completion = 18 } = tokens;
  return {
    promptTokens: 15 + cached,
    cachedTokens: cached,
    completionTokens: completion,
    promptMs,
    tokensPerSecond: 100,
    draftTokens: undefined,
    draftTokensAccepted: undefined,
  };
}

const AT_ONCE = { withinMs: 0 };

test("an answer without figures gets those that the engine prints", async () => {
  const answers = new AnswerFigures();
  const found = answers.ofSilentAnswer(AT_ONCE);
  answers.printed(figures(0.65));
  expect(await found).toEqual(figures(0.65));
  expect(await answers.ofSilentAnswer(AT_ONCE)).toBeUndefined();
});

test("figures that an answer has told are not taken for those of another, whichever came first", async () => {
  const answers = new AnswerFigures();
  answers.told(figures(0.652));
  answers.printed(figures(0.65));
  answers.printed(figures(1.25));
  answers.told(figures(1.2549));
  expect(await answers.ofSilentAnswer(AT_ONCE)).toBeUndefined();
});

test("an answer that says less of the cache than the output is still the same one", async () => {
  const answers = new AnswerFigures();
  answers.told(figures(0.65, { cached: 14 }));
  answers.printed(figures(0.65));
  expect(await answers.ofSilentAnswer(AT_ONCE)).toBeUndefined();
});

test("answers of other lengths are other answers", async () => {
  const answers = new AnswerFigures();
  answers.told(figures(0.65, { completion: 17 }));
  answers.printed(figures(0.65));
  expect(await answers.ofSilentAnswer(AT_ONCE)).toEqual(figures(0.65));
});

test("figures that nobody claims are forgotten in the end", async () => {
  const answers = new AnswerFigures();
  for (let index = 0; index < 100; index++) answers.printed(figures(index));
  expect((await answers.ofSilentAnswer(AT_ONCE))?.promptMs).toBe(36);
});
