import { expect, test } from "bun:test";
import { reusableTokens } from "./prefix-reuse.ts";

const full = (tokens: readonly number[]) => ({ tokens, firstPosition: 0 });

test("the common beginning is reused", () => {
  expect(reusableTokens(full([1, 2, 3, 4]), [1, 2, 9], undefined)).toBe(2);
});

test("the last token of the prompt is always computed", () => {
  expect(reusableTokens(full([1, 2, 3]), [1, 2, 3], undefined)).toBe(2);
  expect(reusableTokens(full([1, 2, 3, 4]), [1, 2], undefined)).toBe(1);
});

test("going on from the end of the cache needs nothing that was forgotten", () => {
  expect(reusableTokens({ tokens: [1, 2, 3], firstPosition: 2 }, [1, 2, 3, 4], 1)).toBe(3);
});

test("going back needs the whole window before that point", () => {
  const tokens = Array.from({ length: 100 }, (_token, i) => i);
  const prompt = [...tokens.slice(0, 90), 999];
  expect(reusableTokens({ tokens, firstPosition: 60 }, prompt, 20)).toBe(90);
  expect(reusableTokens({ tokens, firstPosition: 80 }, prompt, 20)).toBe(0);
});

test("a model that has forgotten without a window starts anew", () => {
  expect(reusableTokens({ tokens: [1, 2, 3, 4], firstPosition: 3 }, [1, 2, 9, 9], undefined)).toBe(0);
});

test("an empty cache serves nothing", () => {
  expect(reusableTokens(full([]), [1, 2], undefined)).toBe(0);
});
