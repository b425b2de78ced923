import { expect, test } from "bun:test";
import { RouterError } from "../errors.ts";
import { rateLimitResetMsOf, retryAfterMsOf, retryDelayMs, retrying, TransientError } from "./retry.ts";

const noWait = { now: () => 0, sleep: async () => {}, random: () => 0 };

test("the wait doubles up to a limit and half of it is left to chance", () => {
  expect([1, 2, 3, 9].map((attempt) => retryDelayMs(attempt, undefined, 1))).toEqual([500, 1000, 2000, 8000]);
  expect(retryDelayMs(3, undefined, 0)).toBe(1000);
});

test("what the server asks for is waited for, and a little more, up to five minutes", () => {
  expect(retryDelayMs(1, 7000, 0)).toBe(7000);
  expect(retryDelayMs(1, 7000, 1)).toBe(7500);
  expect(retryDelayMs(1, 3_600_000, 0)).toBe(300_000);
});

test("Retry-After is read as seconds or a date, the hub's RateLimit as seconds until its reset", () => {
  expect(retryAfterMsOf(new Headers({ "retry-after": "3" }), 0)).toBe(3000);
  expect(retryAfterMsOf(new Headers({ "retry-after": "Thu, 01 Jan 1970 00:00:09 GMT" }), 4000)).toBe(5000);
  expect(rateLimitResetMsOf(new Headers({ ratelimit: '"resolvers";r=0;t=42' }))).toBe(42_000);
  expect(retryAfterMsOf(new Headers({ "retry-after": "soon" }), 0)).toBeUndefined();
  expect(retryAfterMsOf(new Headers(), 0)).toBeUndefined();
});

test("a lasting refusal is not retried, a passing one until the attempts are used up", async () => {
  let calls = 0;
  const failing = (error: Error) => async (): Promise<never> => {
    calls++;
    throw error;
  };
  const lasting = new RouterError("HUB_NOT_FOUND", "gone");
  expect(await retrying(failing(lasting), { clock: noWait }).catch((error: unknown) => error)).toBe(lasting);
  expect(calls).toBe(1);
  const passing = new TransientError("HUB_UNREACHABLE", "busy");
  expect(await retrying(failing(passing), { clock: noWait, maxAttempts: 3 }).catch((error: unknown) => error)).toBe(passing);
  expect(calls).toBe(4);
});

test("progress in between starts the count of attempts anew", async () => {
  let calls = 0;
  const result = await retrying(
    async () => {
      if (++calls < 20) throw new TransientError("HUB_UNREACHABLE", "cut");
      return "done";
    },
    { clock: noWait, maxAttempts: 2, hasProgressed: () => true },
  );
  expect(result).toBe("done");
});
