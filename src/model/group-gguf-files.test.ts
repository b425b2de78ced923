import { expect, test } from "bun:test";
import { groupGgufFiles, leadingModel, projectorOf, projectorOfFolder } from "./group-gguf-files.ts";

const files = (...paths: string[]): { path: string; sizeBytes: number }[] => paths.map((path) => ({ path, sizeBytes: 10 }));

test("shards come together in order, and what the names promise but the folder lacks is named", () => {
  const { models } = groupGgufFiles(files("m-00003-of-00003.gguf", "m-00001-of-00003.gguf", "a.gguf"));
  expect(models.map((m) => [m.stem, m.first, m.files.length, m.missing, m.sizeBytes])).toEqual([
    ["a", "a.gguf", 1, [], 10],
    ["m", "m-00001-of-00003.gguf", 2, ["m-00002-of-00003.gguf"], 20],
  ]);
});

test("a model whose first shard is missing is still one model", () => {
  const { models } = groupGgufFiles(files("m-00002-of-00002.gguf"));
  expect(models).toHaveLength(1);
  expect(models[0]?.missing).toEqual(["m-00001-of-00002.gguf"]);
});

test("the same name split in two ways is two models", () => {
  expect(groupGgufFiles(files("m-00001-of-00002.gguf", "m-00001-of-00003.gguf")).models).toHaveLength(2);
});

test("a split model leads a folder, then the first by name", () => {
  expect(leadingModel(groupGgufFiles(files("a.gguf", "z-00001-of-00001.gguf")).models)?.stem).toBe("z");
  expect(leadingModel(groupGgufFiles(files("b.gguf", "a.gguf")).models)?.stem).toBe("a");
});

test("a projector finds the model whose name it carries", () => {
  const grouped = groupGgufFiles(
    files("gemma-3-4b-it-Q4_K_M.gguf", "Qwen2.5-VL-7B.Q8_0.gguf", "mmproj-gemma-3-4b-it-f16.gguf", "Qwen2.5-VL-7B.mmproj-Q8_0.gguf"),
  );
  const pairs = grouped.models.map((model) => [model.first, projectorOf(model, grouped)?.path]);
  expect(pairs).toEqual([
    ["Qwen2.5-VL-7B.Q8_0.gguf", "Qwen2.5-VL-7B.mmproj-Q8_0.gguf"],
    ["gemma-3-4b-it-Q4_K_M.gguf", "mmproj-gemma-3-4b-it-f16.gguf"],
  ]);
});

test("a nameless projector belongs to the only model, and to none of several", () => {
  const one = groupGgufFiles(files("m-Q4_0.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf"));
  expect(one.models.map((model) => projectorOf(model, one)?.path)).toEqual(["mmproj-F16.gguf"]);
  const two = groupGgufFiles(files("m-Q4_0.gguf", "n-Q4_0.gguf", "mmproj-F16.gguf"));
  expect(two.models.map((model) => projectorOf(model, two)?.path)).toEqual([undefined, undefined]);
  expect(projectorOfFolder(two)?.path).toBe("mmproj-F16.gguf");
});
