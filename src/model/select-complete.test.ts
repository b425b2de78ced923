import { expect, test } from "bun:test";
import { selectComplete } from "./select-complete.ts";

const files = (...paths: string[]): { path: string; sizeBytes: number }[] => paths.map((path) => ({ path, sizeBytes: 1 }));

test("of two variants of one repository only the one whose files are here counts", () => {
  const here = files("m-Q4_0.gguf");
  expect(selectComplete(here, { variant: "Q4_0" })?.primary).toBe("m-Q4_0.gguf");
  expect(selectComplete(here, { variant: "Q8_0" })).toBeUndefined();
});

test("a split model counts with its last shard, a vision model with its projector", () => {
  const shards = ["Q8_0/m-00001-of-00002.gguf", "Q8_0/m-00002-of-00002.gguf"] as const;
  expect(selectComplete(files(shards[0]), { variant: "Q8_0" })).toBeUndefined();
  expect(selectComplete(files(shards[1]), { variant: "Q8_0" })).toBeUndefined();
  expect(selectComplete(files(...shards), { variant: "Q8_0" })?.shards).toEqual([...shards]);
  expect(selectComplete(files("m-Q4_0.gguf"), { variant: "Q4_0", mmproj: "mmproj-F16.gguf" })).toBeUndefined();
  expect(selectComplete(files("m-Q4_0.gguf", "mmproj-F16.gguf"), { variant: "Q4_0", mmproj: "mmproj-F16.gguf" })?.mmproj).toBe(
    "mmproj-F16.gguf",
  );
});

test("without a variant any complete model will do; a star wants all of them complete", () => {
  const mixed = files("a-00001-of-00002.gguf", "b.gguf");
  expect(selectComplete(mixed, { variant: undefined })?.primary).toBe("b.gguf");
  expect(selectComplete(mixed, { variant: "*" })).toBeUndefined();
  expect(selectComplete(files("b.gguf", "c.gguf"), { variant: "*" })?.shards).toEqual(["b.gguf", "c.gguf"]);
  expect(selectComplete(files("README.md"), { variant: undefined })).toBeUndefined();
});
