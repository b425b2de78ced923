import { expect, test } from "bun:test";
import { isSafeRepoPath, joinCheckpoint, parseHubCheckpoint, splitCheckpoint } from "./checkpoint.ts";

test("a checkpoint splits at its first colon", () => {
  expect(splitCheckpoint("a/b:Q4_K_M")).toEqual({ repo: "a/b", variant: "Q4_K_M" });
  expect(splitCheckpoint("a/b:file.gguf")).toEqual({ repo: "a/b", variant: "file.gguf" });
  expect(splitCheckpoint("a/b")).toEqual({ repo: "a/b", variant: undefined });
  expect(splitCheckpoint("a/b:c:d")).toEqual({ repo: "a/b", variant: "c:d" });
});

test("every way to write a checkpoint means the same repository and variant", () => {
  for (const [text, canonical] of [
    ["unsloth/Qwen3-0.6B-GGUF:Q4_0", "unsloth/Qwen3-0.6B-GGUF:Q4_0"],
    ["hf.co/unsloth/Qwen3-0.6B-GGUF:Q4_0", "unsloth/Qwen3-0.6B-GGUF:Q4_0"],
    ["https://huggingface.co/unsloth/Qwen3-0.6B-GGUF", "unsloth/Qwen3-0.6B-GGUF"],
    ["https://huggingface.co/o/r/tree/main", "o/r"],
    ["https://huggingface.co/o/r/blob/main/Q4/m-Q4.gguf?download=true", "o/r:Q4/m-Q4.gguf"],
    ["o/r:Q4/m-00001-of-00002.gguf", "o/r:Q4/m-00001-of-00002.gguf"],
    ["o/r:*", "o/r:*"],
    ["hf.co/o/r:latest", "o/r"],
  ] as const) {
    const parsed = parseHubCheckpoint(text);
    expect(parsed && joinCheckpoint(parsed)).toBe(canonical);
  }
});

test("what cannot be a repository is no checkpoint", () => {
  const texts = [
    "",
    "name",
    "llama3.2:1b",
    "a/b/c",
    "/a/b",
    "./a/b",
    "../b",
    "a/..",
    "a/b--c",
    "a/-b",
    "a/b.git",
    "a /b",
    "a/b:",
    "a/b:../x.gguf",
    "a/b:/x",
  ];
  for (const text of texts) expect(parseHubCheckpoint(text)).toBeUndefined();
});

test("repository paths that would leave the folder are unsafe", () => {
  for (const path of ["", "/etc/x", "a/../../x", "..\\x", "C:x", "a//b", "./a", "a\u0000b"]) expect(isSafeRepoPath(path)).toBe(false);
  expect(isSafeRepoPath("Q4_K_M/model.gguf")).toBe(true);
});
