import { expect, test } from "bun:test";
import { mergeArgs } from "./merge-args.ts";

const merge = (...lines: readonly string[]): string => mergeArgs(...lines.map((line) => line.split(" "))).join(" ");

test("later layers replace the entries of a flag, with all their values", () => {
  expect(merge("--jinja --no-webui --ctx-size 2048", "--ctx-size 4096 --seed 1")).toBe("--jinja --no-webui --ctx-size 4096 --seed 1");
  expect(merge("--override-kv a b", "--override-kv c")).toBe("--override-kv c");
  expect(merge("--fit=on", "--fit off")).toBe("--fit off");
});

test("negative numbers and a lone dash are values", () => {
  expect(merge("--n-predict -1 --temp -0.5 --top -.5 --file -", "--n-predict -2")).toBe("--temp -0.5 --top -.5 --file - --n-predict -2");
});

test("a flag that is repeated within one layer stays repeated", () => {
  expect(merge("--lora x", "--lora a --seed 1 --lora b")).toBe("--lora a --seed 1 --lora b");
});

test("of two spellings the one of the more important layer comes last", () => {
  expect(merge("--ctx-size 1", "-c 2", "--ctx-size 3")).toBe("-c 2 --ctx-size 3");
});

test("words before the first flag, empty layers and no layer at all do no harm", () => {
  expect(mergeArgs(["stray", "--a"], [], ["--b"])).toEqual(["stray", "--a", "--b"]);
  expect(mergeArgs()).toEqual([]);
});
