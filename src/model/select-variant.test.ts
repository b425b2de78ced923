import { expect, test } from "bun:test";
import { RouterError } from "../errors.ts";
import { splitCheckpoint } from "./checkpoint.ts";
import { listVariants, pathsOfVariant, requireVariant, requireWhole, selectVariant, type VariantFiles } from "./select-variant.ts";

const files = (...paths: string[]): { path: string; sizeBytes: number }[] => paths.map((path, i) => ({ path, sizeBytes: (i + 1) * 1e9 }));

const QWEN = files(
  ".gitattributes",
  "Qwen3-0.6B-BF16.gguf",
  "Qwen3-0.6B-IQ4_NL.gguf",
  "Qwen3-0.6B-Q3_K_S.gguf",
  "Qwen3-0.6B-Q4_0.gguf",
  "Qwen3-0.6B-Q4_K_M.gguf",
  "Qwen3-0.6B-UD-Q4_K_XL.gguf",
  "README.md",
  "config.json",
);
const SCOUT = files(
  "Q4_K_S/Llama-4-Scout-17B-16E-Instruct-Q4_K_S-00002-of-00002.gguf",
  "Q4_K_S/Llama-4-Scout-17B-16E-Instruct-Q4_K_S-00001-of-00002.gguf",
  "Q8_0/Llama-4-Scout-17B-16E-Instruct-Q8_0-00001-of-00003.gguf",
  "mmproj-F16.gguf",
);
const VISION = files("Qwen2.5-VL-7B-Instruct-BF16.gguf", "Qwen2.5-VL-7B-Instruct-Q4_0.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf");

function select(repository: typeof QWEN, variant: string | undefined, mmproj?: string): VariantFiles {
  const choice = selectVariant(repository, { variant, mmproj });
  if (choice.kind !== "files") throw new Error(`${choice.kind}: ${choice.what}`);
  return choice.files;
}

test("a full file name is that file, without shards", () => {
  const { variant } = splitCheckpoint("unsloth/Qwen3-0.6B-GGUF:Qwen3-0.6B-Q3_K_S.gguf");
  expect(select(QWEN, variant)).toEqual({ primary: "Qwen3-0.6B-Q3_K_S.gguf", shards: [] });
});

test("no variant is the first GGUF file that is no projector", () => {
  expect(select(QWEN, undefined).primary).toBe("Qwen3-0.6B-BF16.gguf");
  expect(select(files("mmproj-F16.gguf", "m.gguf"), undefined).primary).toBe("m.gguf");
});

test("a quantisation is the one file that ends in it, whatever its case", () => {
  expect(select(QWEN, "Q3_K_S")).toEqual({ primary: "Qwen3-0.6B-Q3_K_S.gguf", shards: [] });
  expect(select(QWEN, "q4_k_m").primary).toBe("Qwen3-0.6B-Q4_K_M.gguf");
});

test("a folder is all of its shards in order, the first leading", () => {
  const [first, second] = ["00001", "00002"].map((n) => `Q4_K_S/Llama-4-Scout-17B-16E-Instruct-Q4_K_S-${n}-of-00002.gguf`);
  expect(select(SCOUT, "Q4_K_S")).toEqual({ primary: first as string, shards: [first as string, second as string] });
});

test("a projector is added when it is named, and never taken for the variant", () => {
  expect(select(VISION, "BF16", "mmproj-BF16.gguf")).toEqual({
    primary: "Qwen2.5-VL-7B-Instruct-BF16.gguf",
    shards: [],
    mmproj: "mmproj-BF16.gguf",
  });
});

test("a star is every GGUF file, sorted, led by one that can be served", () => {
  const choice = select(files("b.gguf", "a/mmproj.gguf", "c.txt", "B.gguf"), "*");
  expect(choice).toEqual({ primary: "B.gguf", shards: ["B.gguf", "a/mmproj.gguf", "b.gguf"] });
});

test("the path of one shard brings its siblings, and shards beside other files are found by their quantisation", () => {
  const flat = files("m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf", "m-Q4_0.gguf");
  const both = { primary: "m-Q8_0-00001-of-00002.gguf", shards: ["m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf"] };
  expect(select(flat, "m-Q8_0-00002-of-00002.gguf")).toEqual(both);
  expect(select(flat, "Q8_0")).toEqual(both);
});

test("a quantisation that several files end in is ambiguous", () => {
  const repository = files("m-Q4_K_M.gguf", "m-UD-Q4_K_M.gguf");
  expect(selectVariant(repository, { variant: "Q4_K_M" })).toEqual({ kind: "ambiguous", what: "Q4_K_M" });
  expect(select(repository, "UD-Q4_K_M").primary).toBe("m-UD-Q4_K_M.gguf");
});

test("the error for an ambiguous or missing variant lists the choices with their sizes", () => {
  const fail = (...args: Parameters<typeof requireVariant>): RouterError => {
    try {
      requireVariant(...args);
    } catch (error) {
      if (error instanceof RouterError) return error;
    }
    throw new Error("no error");
  };
  const ambiguous = fail("o/r", files("m-Q4_K_M.gguf", "m-UD-Q4_K_M.gguf", "m-Q8_0.gguf"), { variant: "Q4_K_M" });
  expect(ambiguous.code).toBe("VARIANT_AMBIGUOUS");
  // The plain quantisation selects neither, so the file is named.
  expect(ambiguous.hint).not.toContain("Q8_0");
  expect(ambiguous.hint).toContain("m-Q4_K_M.gguf (1.00 GB), UD-Q4_K_M (2.00 GB)");
  const missing = fail("o/r", QWEN, { variant: "Q2_K" });
  expect(missing.code).toBe("VARIANT_NOT_FOUND");
  expect(missing.message).toBe("o/r does not have the variant Q2_K");
  expect(missing.hint).toContain("Q4_0 (5.00 GB)");
  expect(fail("o/r", QWEN, { variant: "other.gguf" }).message).toBe("o/r does not have the file other.gguf");
  expect(fail("o/r", VISION, { variant: "BF16", mmproj: "mmproj-F32.gguf" }).hint).toBe(
    "Its projectors: mmproj-BF16.gguf, mmproj-F16.gguf.",
  );
  expect(fail("o/r", files("model.safetensors"), { variant: undefined }).message).toBe("o/r holds no .gguf files");
  expect(requireVariant("o/r", QWEN, { variant: "Q4_0" }).primary).toBe("Qwen3-0.6B-Q4_0.gguf");
});

test("a split model that the repository has not all shards of is refused with the names of the missing ones", () => {
  const some = files("m-Q8_0-00001-of-00003.gguf", "m-Q8_0-00003-of-00003.gguf");
  const chosen = pathsOfVariant(requireVariant("o/r", some, { variant: "Q8_0" }));
  expect(() => requireWhole("o/r", some, chosen)).toThrow("o/r lacks a part of this model: m-Q8_0-00002-of-00003.gguf");
  expect(() => requireWhole("o/r", SCOUT, pathsOfVariant(requireVariant("o/r", SCOUT, { variant: "Q4_K_S" })))).not.toThrow();
});

test("every offer of a repository selects exactly its own files", () => {
  for (const repository of [
    QWEN,
    SCOUT,
    VISION,
    files("m-Q4_K_M.gguf", "m-UD-Q4_K_M.gguf", "plain.gguf", "a/x-Q8_0.gguf", "b/x-Q8_0.gguf"),
  ]) {
    for (const { variant, files: paths } of listVariants(repository)) {
      expect(pathsOfVariant(select(repository, variant)).toSorted()).toEqual([...paths].toSorted());
    }
  }
  expect(listVariants(QWEN).map((offer) => offer.variant)).toEqual(["BF16", "IQ4_NL", "Q3_K_S", "Q4_0", "Q4_K_M", "UD-Q4_K_XL"]);
});

test("a file in a folder of projectors is none of the models", () => {
  const repository = files("mmproj/vision-F16.gguf", "model-F16.gguf", "model-Q8_0.gguf");
  expect([select(repository, undefined).primary, select(repository, "F16").primary]).toEqual(["model-F16.gguf", "model-F16.gguf"]);
  expect(listVariants(repository).map(({ variant }) => variant)).toEqual(["F16", "Q8_0"]);
});
