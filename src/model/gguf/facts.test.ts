import { expect, test } from "bun:test";
import { buildTinyModel } from "../tiny/index.ts";
import { flattenImage, ggufFacts, labelsOfFacts, parseGgufHeader, writeGguf, type GgufHeader, type GgufValue } from "./index.ts";

function parse(bytes: Uint8Array): GgufHeader {
  const parsing = parseGgufHeader({ fileBytes: bytes.length });
  let step = parsing.next();
  while (!step.done) step = parsing.next(bytes.subarray(step.value.offset));
  return step.value;
}

const text = (value: string): GgufValue => ({ type: "string", value });
const u32 = (value: number): GgufValue => ({ type: "u32", value });

const header = (metadata: Record<string, GgufValue>, tensors: readonly string[] = []): GgufHeader =>
  parse(flattenImage(writeGguf({ metadata, tensors: tensors.map((name) => ({ name, shape: [32, 4], type: "f16" })) })));

test("the built-in model's header says what it is", () => {
  const bytes = buildTinyModel();
  const facts = ggufFacts([parse(bytes)]);
  expect(facts).toMatchObject({
    architecture: "llama",
    name: "tiny",
    quant: "F16",
    contextTokens: 4096,
    license: "apache-2.0",
    hasChatTemplate: true,
    hasToolTemplate: true,
    isEncoder: false,
    pooling: undefined,
    shardCount: 1,
  });
  const weights = facts.layers.reduce((sum, layer) => sum + layer.weightsBytes, facts.otherWeightsBytes);
  expect(weights).toBeLessThan(bytes.length);
  expect(weights).toBeGreaterThan(bytes.length / 2);
});

test("the shards of a model are one model", () => {
  const first = header({ "general.architecture": text("llama"), "llama.block_count": u32(2), "split.count": { type: "u32", value: 2 } }, [
    "token_embd.weight",
    "blk.0.a.weight",
  ]);
  const second = header({ "split.no": u32(1) }, ["blk.1.a.weight", "blk.1.b.weight"]);
  const facts = ggufFacts([first, second]);
  expect(facts.shardCount).toBe(2);
  expect(facts.parameterCount).toBe(4 * 128);
  expect(facts.otherWeightsBytes).toBe(256);
  expect(facts.layers.map((layer) => layer.weightsBytes)).toEqual([256, 512]);
});

test("a file without a stated type is known by its commonest one", () => {
  expect(ggufFacts([header({ "general.architecture": text("llama") }, ["a.weight"])]).quant).toBe("F16");
  expect(ggufFacts([header({ "general.file_type": u32(15) })]).quant).toBe("Q4_K_M");
  expect(ggufFacts([header({ "general.file_type": u32(1024 + 7) })]).quant).toBe("Q8_0");
});

test("labels follow from the pooling, the architecture and the chat template", () => {
  const labels = (architecture: string, keys: Record<string, GgufValue>): readonly string[] =>
    labelsOfFacts(ggufFacts([header({ "general.architecture": text(architecture), ...keys })]));
  expect(labels("bert", {})).toEqual(["embeddings"]);
  expect(labels("qwen3", { "qwen3.pooling_type": u32(3) })).toEqual(["embeddings"]);
  expect(labels("bert", { "bert.pooling_type": u32(4) })).toEqual(["reranking"]);
  expect(labels("llama", { "llama.pooling_type": u32(0) })).toEqual([]);
  const template = text("{% if tools %}…{% endif %}<think>");
  expect(labels("qwen3", { "tokenizer.chat_template": template })).toEqual(["reasoning", "tool-calling"]);
});

test("a header without an architecture is still a header", () => {
  expect(ggufFacts([header({})])).toMatchObject({ architecture: "unknown", layers: [], parameterCount: 0, hasChatTemplate: false });
});
