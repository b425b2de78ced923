import { expect, test } from "bun:test";
import { Pace } from "./pace.ts";

const MIB = 1 << 20;

function paceWithClock(): { pace: Pace; part: (options: { bytes: number; waitMs: number; workMs: number }) => void } {
  let nowMs = 0;
  const pace = new Pace({ now: () => nowMs, sleep: async () => {}, random: () => 0 });
  return {
    pace,
    part({ bytes, waitMs, workMs }) {
      const part = pace.startPart();
      nowMs += 50; // Until the first byte.
      part.arrived();
      nowMs += workMs;
      part.handled();
      nowMs += waitMs;
      part.arrived();
      part.handled();
      part.finished(bytes);
    },
  };
}

test("one connection stays alone while we are slower than it, with parts that grow", () => {
  const { pace, part } = paceWithClock();
  expect([pace.isParallel, pace.nextBytes]).toEqual([false, 2 * MIB]);
  for (let count = 0; count < 10; count++) part({ bytes: pace.nextBytes, waitMs: 8, workMs: 3 });
  expect([pace.isParallel, pace.nextBytes]).toEqual([false, 64 * MIB]);
});

test("several connections share the work as soon as we mostly wait, with parts that fit in memory", () => {
  const { pace, part } = paceWithClock();
  part({ bytes: 2 * MIB, waitMs: 30, workMs: 3 });
  expect(pace.isParallel).toBe(true);
  for (let count = 0; count < 10; count++) part({ bytes: pace.nextBytes, waitMs: 3, workMs: 3 });
  expect(pace.nextBytes).toBe(3 * MIB);
});

test("on a slow connection parts shrink to about a second's worth", () => {
  const { pace, part } = paceWithClock();
  for (let count = 0; count < 20; count++) part({ bytes: pace.nextBytes, waitMs: pace.nextBytes / 500, workMs: 0 });
  expect(pace.nextBytes).toBeGreaterThan(0.4 * MIB);
  expect(pace.nextBytes).toBeLessThan(0.6 * MIB);
  for (let count = 0; count < 20; count++) part({ bytes: pace.nextBytes, waitMs: pace.nextBytes / 10, workMs: 0 });
  expect(pace.nextBytes).toBe(MIB / 4);
});
