import { expect, test } from "bun:test";
import { isRecipeRunnable } from "./recipe-support.ts";

test("llama.cpp runs everywhere, FastFlowLM where an NPU is, the recipes of other programs nowhere", () => {
  const runnable = (platform: { os: string; hasNpu: boolean; isFilterOff?: boolean }): string[] =>
    ["llamacpp", "flm", "oga-npu", "oga-cpu", "hf-cpu"].filter((recipe) => isRecipeRunnable(recipe, platform));
  expect(runnable({ os: "linux", hasNpu: false })).toEqual(["llamacpp"]);
  expect(runnable({ os: "win32", hasNpu: true })).toEqual(["llamacpp", "flm"]);
  expect(runnable({ os: "darwin", hasNpu: true })).toEqual(["llamacpp"]);
  expect(runnable({ os: "linux", hasNpu: false, isFilterOff: true })).toHaveLength(5);
});
