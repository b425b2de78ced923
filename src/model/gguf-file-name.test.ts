import { expect, test } from "bun:test";
import { ggufStem, isServableGguf, parseShardName, quantTag, shardPaths } from "./gguf-file-name.ts";

test("a shard's name says which part of how many it is", () => {
  expect(parseShardName("Q4/m-00002-of-00003.gguf")).toEqual({ stem: "Q4/m", index: 2, count: 3 });
});

test("names that only look like shards are whole files", () => {
  for (const name of ["m.gguf", "m-1-of-3.gguf", "m-00004-of-00003.gguf", "m-00000-of-00000.gguf"]) {
    expect(parseShardName(name)).toBeUndefined();
    expect(shardPaths(name)).toEqual([name]);
  }
});

test("any shard leads to all of them, and the extension keeps its case", () => {
  expect(shardPaths("d/m-00002-of-00002.GGUF")).toEqual(["d/m-00001-of-00002.GGUF", "d/m-00002-of-00002.GGUF"]);
});

test("the stem drops the extension and the shard suffix", () => {
  expect(ggufStem("a/b.Q4_0.gguf")).toBe("a/b.Q4_0");
  expect(ggufStem("a/b-00001-of-00009.gguf")).toBe("a/b");
});

test("the quantisation is the last piece of the name, whatever its case", () => {
  expect(quantTag("Qwen3-0.6B-Q4_K_M.gguf")).toBe("Q4_K_M");
  expect(quantTag("qwen.q8_0.gguf")).toBe("Q8_0");
  expect(quantTag("BF16/Llama-BF16-00001-of-00002.gguf")).toBe("BF16");
  expect(quantTag("gemma-3-270m-it-UD-IQ2_M.gguf")).toBe("UD-IQ2_M");
  expect(quantTag("tiny.gguf")).toBeUndefined();
});

test("projectors, drafts, importance matrices and hidden files are not served", () => {
  expect(isServableGguf("sub/m.gguf")).toBe(true);
  for (const name of ["mmproj-F16.gguf", "m-MMPROJ.gguf", "mtp-m.gguf", "imatrix_unsloth.gguf", "._m.gguf", "m.bin", "m.gguf.part"]) {
    expect(isServableGguf(name)).toBe(false);
  }
});
