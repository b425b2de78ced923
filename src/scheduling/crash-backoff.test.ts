import { expect, test } from "bun:test";
import { afterCrash, decideRestart, type CrashHistory } from "./crash-backoff.ts";

const crashes = (count: number): CrashHistory | undefined => {
  let history: CrashHistory | undefined;
  for (let i = 0; i < count; i++) history = afterCrash(history, { atMs: 1000, ranMs: 10, cause: `crash ${i + 1}` });
  return history;
};

test("an engine that never crashed, or once, starts at once", () => {
  expect(decideRestart(crashes(0), 1000)).toEqual({ kind: "start" });
  expect(decideRestart(crashes(1), 1000)).toEqual({ kind: "start" });
});

test("each further crash in a row doubles the pause", () => {
  expect([2, 3, 4, 5].map((count) => decideRestart(crashes(count), 1000))).toEqual([
    { kind: "pause", untilMs: 2000 },
    { kind: "pause", untilMs: 3000 },
    { kind: "pause", untilMs: 5000 },
    { kind: "pause", untilMs: 9000 },
  ]);
  expect(decideRestart(crashes(2), 2000)).toEqual({ kind: "start" });
});

test("after six in a row requests are refused for five minutes, then it is tried again", () => {
  expect(decideRestart(crashes(6), 1000)).toEqual({ kind: "refuse", untilMs: 301_000 });
  expect(decideRestart(crashes(6), 301_000)).toEqual({ kind: "start" });
});

test("an engine that ran for a minute begins a new row when it ends", () => {
  expect(afterCrash(crashes(5), { atMs: 99_000, ranMs: 60_000, cause: "late" })).toEqual({ count: 1, lastMs: 99_000, cause: "late" });
});
