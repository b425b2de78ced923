import { expect, test } from "bun:test";
import { deletableFiles, type SnapshotFiles } from "./deletable-files.ts";
import type { ModelEntry } from "./model-entry.ts";
import type { ModelId } from "./model-id.ts";

const entry = (id: string, checkpoint: string, more: Partial<ModelEntry> = {}): ModelEntry => ({
  id: id as ModelId,
  checkpoint,
  recipe: "llamacpp",
  labels: [],
  source: "registry",
  suggested: true,
  ...more,
});
const snapshot = (commit: string, ...paths: string[]): SnapshotFiles => ({
  commit,
  files: paths.map((path) => ({ path, sizeBytes: 1 })),
});
const pathsOf = (...args: Parameters<typeof deletableFiles>): string[] =>
  deletableFiles(...args).files.map(({ commit, path }) => `${commit}/${path}`);

test("one variant goes from every snapshot, and the others keep what they came with", () => {
  const snapshots = [
    snapshot("new", "README.md", "m-Q4_0.gguf", "m-Q8_0.gguf", "mmproj-F16.gguf"),
    snapshot("old", "m-Q4_0.gguf", "mmproj-F16.gguf"),
  ];
  expect(pathsOf(entry("M", "o/m:Q4_0", { mmproj: "mmproj-F16.gguf" }), snapshots, [])).toEqual([
    "new/m-Q4_0.gguf",
    "old/m-Q4_0.gguf",
    "old/mmproj-F16.gguf",
  ]);
});

test("with the last model everything goes that came along, but no weights of other programs and no folder", () => {
  expect(pathsOf(entry("M", "o/m:Q4_0"), [snapshot("a", ".gitattributes", "README.md", "m-Q4_0.gguf", "mmproj.gguf")], [])).toHaveLength(4);
  expect(pathsOf(entry("M", "o/m:Q4_0"), [snapshot("a", "README.md", "m-Q4_0.gguf", "model.safetensors")], [])).toEqual(["a/m-Q4_0.gguf"]);
  expect(pathsOf(entry("M", "o/m:Q4_0"), [snapshot("a", "README.md", "m-Q4_0.gguf", "onnx/model.json")], [])).toEqual(["a/m-Q4_0.gguf"]);
});

test("shards go together, also when some are missing", () => {
  const files = snapshot("a", "Q8/m-00001-of-00003.gguf", "Q8/m-00003-of-00003.gguf");
  expect(pathsOf(entry("M", "o/m:Q8"), [files], [])).toEqual(["a/Q8/m-00001-of-00003.gguf", "a/Q8/m-00003-of-00003.gguf"]);
});

test("a checkpoint without a variant, or of whole repositories, stands for everything; `*` for every GGUF file", () => {
  const files = snapshot("a", "config.json", "m-Q4_0.gguf", "m-Q8_0.gguf", "x/model.onnx");
  expect(pathsOf(entry("M", "o/m"), [files], [])).toHaveLength(4);
  expect(pathsOf(entry("M", "o/m", { recipe: "oga-cpu" }), [files], [])).toHaveLength(4);
  expect(pathsOf(entry("M", "o/m:*"), [files], [])).toEqual(["a/m-Q4_0.gguf", "a/m-Q8_0.gguf"]);
});

test("a registry's second name for the same model is not in the way, a model that the user registered is", () => {
  const files = [snapshot("a", "m-Q4_0.gguf", "mmproj.gguf", "mtp-m.gguf")];
  const twin = entry("M-MTP", "o/m:Q4_0", { mmproj: "mmproj.gguf" });
  expect(deletableFiles(entry("M", "o/m:Q4_0", { mmproj: "mmproj.gguf" }), files, [twin])).toMatchObject({
    files: [{ path: "m-Q4_0.gguf" }, { path: "mmproj.gguf" }, { path: "mtp-m.gguf" }],
    neededBy: [],
  });
  const user = entry("user.M", "hf.co/o/m:Q4_0", { source: "user" });
  expect(deletableFiles(entry("M", "o/m:Q4_0"), files, [user])).toEqual({
    files: [],
    neededBy: ["user.M" as ModelId],
  });
});

test("a projector that another registered model uses stays", () => {
  const files = [snapshot("a", "m-Q4_0.gguf", "n-Q8_0.gguf", "mmproj.gguf")];
  const other = entry("N", "o/m:Q8_0", { mmproj: "mmproj.gguf" });
  expect(pathsOf(entry("M", "o/m:Q4_0", { mmproj: "mmproj.gguf" }), files, [other])).toEqual(["a/m-Q4_0.gguf"]);
});

test("a variant is not taken for another one whose name ends like it", () => {
  expect(pathsOf(entry("o/m:F16", "o/m:F16"), [snapshot("a", "m-BF16.gguf")], [])).toEqual([]);
  expect(pathsOf(entry("o/m:F16", "o/m:f16"), [snapshot("a", "m-F16.gguf")], [])).toEqual(["a/m-F16.gguf"]);
});
