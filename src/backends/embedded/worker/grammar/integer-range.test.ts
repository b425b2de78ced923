import { expect, test } from "bun:test";
import { integerRange } from "./integer-range.ts";

/** GBNF without names is nearly a regular expression. */
const asRegExp = (gbnf: string): RegExp => new RegExp(`^(?:${gbnf.replaceAll(/"([^"]*)"/g, "$1").replaceAll(" ", "")})$`);

const BOUNDS = [undefined, -1205, -99, -10, -1, 0, 1, 5, 9, 10, 19, 42, 99, 100, 250, 999, 1000, 1234];
const NUMBERS = Array.from({ length: 2801 }, (_number, i) => i - 1400);

test("exactly the integers of a range are allowed", () => {
  for (const min of BOUNDS) {
    for (const max of BOUNDS) {
      if (min !== undefined && max !== undefined && min > max) continue;
      const allowed = asRegExp(integerRange(min, max));
      const wrong = NUMBERS.filter(
        (number) => allowed.test(String(number)) !== ((min === undefined || number >= min) && (max === undefined || number <= max)),
      );
      expect({ min, max, wrong }).toEqual({ min, max, wrong: [] });
    }
  }
});

test("fractional bounds are rounded inwards", () => {
  expect(integerRange(0.5, 2.5)).toBe(integerRange(1, 2));
});

test("a range without integers is an error", () => {
  expect(() => integerRange(3, 2)).toThrow("no integer lies between 3 and 2");
});
