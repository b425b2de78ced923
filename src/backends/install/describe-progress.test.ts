import { expect, test } from "bun:test";
import { Log } from "../../platform/index.ts";
import { logProgress } from "./describe-progress.ts";

test("the log gets a line for each stage and each tenth of it, or each 20 MB", () => {
  const lines: string[] = [];
  const report = logProgress(new Log({ level: "info", sink: ({ source, text }) => lines.push(`${source}: ${text}`) }), "cpu");
  for (const percent of [0, 5, 9, 10, 15, 30]) report({ stage: "downloading", fraction: percent / 100 });
  report({ stage: "unpacking" });
  report({ stage: "unpacking" });
  for (const megabytes of [0, 19, 21, 45]) report({ stage: "finishing", bytesDone: megabytes * 1e6 });
  expect(lines).toEqual([
    "install: cpu: downloading 0 %",
    "install: cpu: downloading 10 %",
    "install: cpu: downloading 30 %",
    "install: cpu: unpacking",
    "install: cpu: finishing 0 MB",
    "install: cpu: finishing 21 MB",
    "install: cpu: finishing 45 MB",
  ]);
});
