import { expect, test } from "bun:test";
import { ggufFacts, parseGgufHeader, type GgufHeader } from "../gguf/index.ts";
import { buildTinyModel, describeTinyModel, TINY_SENTENCE, type TinyOptions } from "./index.ts";

function headerOf(bytes: Uint8Array): GgufHeader {
  const parsing = parseGgufHeader({ fileBytes: bytes.length });
  let step = parsing.next();
  while (step.done !== true) step = parsing.next(bytes.subarray(step.value.offset, step.value.offset + step.value.bytes));
  return step.value;
}

const VARIANTS: readonly TinyOptions[] = [{}, { endless: true }, { reasoning: true }, { embedding: true }, { reranking: true }];

test("the same options give the same bytes, other options give others", () => {
  const digests = VARIANTS.map((options) => Bun.hash(buildTinyModel(options)));
  expect(VARIANTS.map((options) => Bun.hash(buildTinyModel(options)))).toEqual(digests);
  expect(new Set(digests).size).toBe(VARIANTS.length);
});

test("every variant is smaller than a megabyte", () => {
  for (const options of VARIANTS) expect(buildTinyModel(options).length).toBeLessThan(1_000_000);
});

test("the parts of the description lie in order and make up the file", () => {
  const { parts, totalBytes } = describeTinyModel();
  const whole = buildTinyModel();
  expect(whole.length).toBe(totalBytes);
  let endBytes = 0;
  for (const { offsetBytes, bytes } of parts) {
    expect(offsetBytes).toBeGreaterThanOrEqual(endBytes);
    expect(Buffer.compare(whole.subarray(offsetBytes, offsetBytes + bytes.length), bytes)).toBe(0);
    endBytes = offsetBytes + bytes.length;
  }
  expect(endBytes).toBeLessThanOrEqual(totalBytes);
});

test("a header reader finds the usual facts", () => {
  const facts = ggufFacts([headerOf(buildTinyModel())]);
  expect(facts).toMatchObject({
    architecture: "llama",
    name: "tiny",
    quant: "F16",
    contextTokens: 4096,
    license: "apache-2.0",
    hasChatTemplate: true,
    hasToolTemplate: true,
    hasReasoningTemplate: false,
    isEncoder: false,
    shardCount: 1,
  });
  expect(facts.pooling).toBeUndefined();
});

test("name and context length are what the caller asks for", () => {
  const facts = ggufFacts([headerOf(buildTinyModel({ name: "second", contextTokens: 512 }))]);
  expect(facts).toMatchObject({ name: "second", contextTokens: 512 });
});

test("only the reasoning variant has a template that thinks", () => {
  expect(ggufFacts([headerOf(buildTinyModel({ reasoning: true }))]).hasReasoningTemplate).toBe(true);
});

test("the embedding and the reranking variant say by their pooling what they are for, and have no chat template", () => {
  const pooling = { embedding: "mean", reranking: "rank" } as const;
  for (const variant of ["embedding", "reranking"] as const) {
    const facts = ggufFacts([headerOf(buildTinyModel({ [variant]: true }))]);
    expect(facts).toMatchObject({ pooling: pooling[variant], hasChatTemplate: false });
  }
});

test("padding makes the file longer, and no part of it larger", () => {
  const paddingBytes = 2 ** 30;
  const { totalBytes, parts } = describeTinyModel({ paddingBytes });
  expect(totalBytes).toBeGreaterThan(paddingBytes);
  expect(totalBytes).toBeLessThan(1.1 * paddingBytes);
  expect(parts.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThan(1_000_000);
});

test("the sentence is one line of several words", () => {
  expect(TINY_SENTENCE).toBe("Hello! I am tiny, the model built into lemon.ts; this sentence is all it can say.");
});
