import { expect, test } from "bun:test";
import { closeNames } from "./close-names.ts";

const names = ["Qwen3-0.6B-GGUF", "Qwen3-1.7B-GGUF", "Llama-3.2-1B-Instruct-GGUF", "tiny", "user.Phi-4-Mini-GGUF"];

test("wrong case or punctuation finds the name first", () => {
  expect(closeNames("qwen3_0.6b_gguf", names)[0]).toBe("Qwen3-0.6B-GGUF");
  expect(closeNames("phi-4-mini-gguf", names)).toEqual(["user.Phi-4-Mini-GGUF"]);
});

test("a beginning finds the names that begin with it", () => {
  expect(closeNames("qwen3", names)).toEqual(["Qwen3-0.6B-GGUF", "Qwen3-1.7B-GGUF"]);
});

test("swapped and missing letters are forgiven", () => {
  expect(closeNames("tniy", names)).toEqual(["tiny"]);
  expect(closeNames("Lama-3.2-1B-Instrct-GGUF", names)).toEqual(["Llama-3.2-1B-Instruct-GGUF"]);
});

test("nothing is suggested for what resembles nothing", () => {
  expect(closeNames("gpt-oss-120b", names)).toEqual([]);
  expect(closeNames("", names)).toEqual([]);
});

test("ten thousand names are searched quickly enough for an error message", () => {
  const many = Array.from({ length: 10_000 }, (_, i) => `some-model-name-${i}-GGUF`);
  expect(closeNames("some-model-nmae-9999-GGUF", many)[0]).toBe("some-model-name-9999-GGUF");
});
