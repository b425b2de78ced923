import { expect, test } from "bun:test";
import { DownloadRate } from "./download-rate.ts";

test("the speed is that of the last five seconds, and is not guessed from the first moment", () => {
  const rate = new DownloadRate();
  rate.add(1_000_000, 0); // What an earlier process had downloaded says nothing about the speed.
  expect(rate.bytesPerSecondAt(100)).toBeUndefined();
  for (let second = 1; second <= 10; second++) rate.add(1_000_000 + second * 2000, second * 1000);
  expect(rate.bytesPerSecondAt(10_000)).toBe(2000);
  for (let second = 11; second <= 20; second++) rate.add(1_020_000 + (second - 10) * 8000, second * 1000);
  expect(rate.bytesPerSecondAt(20_000)).toBe(8000);
});

test("it falls while nothing arrives, and starts anew when bytes were thrown away", () => {
  const rate = new DownloadRate();
  rate.add(0, 0);
  rate.add(10_000, 1000);
  expect([rate.bytesPerSecondAt(1000), rate.bytesPerSecondAt(10_000)]).toEqual([10_000, 1000]);
  rate.add(500, 11_000);
  expect(rate.bytesPerSecondAt(11_000)).toBeUndefined();
});
