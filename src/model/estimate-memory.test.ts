import { expect, test } from "bun:test";
import { estimateMemory } from "./estimate-memory.ts";
import { flattenImage, ggufFacts, parseGgufHeader, writeGguf, type GgufFacts, type GgufValue } from "./gguf/index.ts";

const u32 = (value: number): GgufValue => ({ type: "u32", value });
const list = (...value: number[]): GgufValue => ({ type: "i32[]", value });
const MIB = 2 ** 20;

/** Facts of a model of an architecture with the given keys; the tensors hold one megabyte outside and one in each layer. */
function model(architecture: string, layers: number, keys: Record<string, GgufValue>): GgufFacts {
  const named = Object.entries({ context_length: u32(131_072), embedding_length: u32(512), block_count: u32(layers), ...keys });
  const bytes = flattenImage(
    writeGguf({
      metadata: {
        "general.architecture": { type: "string", value: architecture },
        ...Object.fromEntries(named.map(([key, value]) => [`${architecture}.${key}`, value])),
      },
      tensors: [
        { name: "token_embd.weight", shape: [512, 512], type: "f32" },
        ...Array.from({ length: layers }, (_, i) => ({ name: `blk.${i}.ffn_up.weight`, shape: [512, 1024], type: "f16" as const })),
      ],
    }),
  );
  const parsing = parseGgufHeader({ fileBytes: bytes.length });
  let step = parsing.next();
  while (!step.done) step = parsing.next(bytes.subarray(step.value.offset));
  return ggufFacts([step.value]);
}

// The expected sizes are what llama-server 0.5 printed for zero-weight models of these shapes at 16384 tokens and four sequences.
const CASES: readonly (readonly [string, number, Record<string, GgufValue>, { kvMib: number; stateMib: number }])[] = [
  ["llama", 4, { "attention.head_count": u32(8), "attention.head_count_kv": u32(2) }, { kvMib: 32, stateMib: 0 }],
  [
    "gemma3",
    12,
    {
      "attention.head_count": u32(4),
      "attention.head_count_kv": u32(2),
      "attention.key_length": u32(128),
      "attention.value_length": u32(128),
      "attention.sliding_window": u32(512),
    },
    { kvMib: 57, stateMib: 0 },
  ],
  [
    "lfm2",
    4,
    { "attention.head_count": u32(8), "attention.head_count_kv": list(0, 0, 2, 0), "shortconv.l_cache": u32(3) },
    { kvMib: 8, stateMib: 3 / 64 },
  ],
  [
    "mamba",
    3,
    {
      "attention.head_count": u32(0),
      "ssm.conv_kernel": u32(4),
      "ssm.inner_size": u32(1024),
      "ssm.state_size": u32(16),
      "ssm.time_step_rank": u32(32),
    },
    { kvMib: 0, stateMib: 57 / 64 },
  ],
  [
    "deepseek2",
    3,
    {
      "attention.head_count": u32(4),
      "attention.head_count_kv": u32(1),
      "attention.key_length": u32(96),
      "attention.value_length": u32(64),
      "attention.key_length_mla": u32(64),
      "attention.value_length_mla": u32(32),
    },
    { kvMib: 9, stateMib: 0 },
  ],
];

for (const [architecture, layers, keys, { kvMib, stateMib }] of CASES) {
  test(`the caches of ${architecture} are estimated as the engine allocates them`, () => {
    const estimate = estimateMemory(model(architecture, layers, keys), { contextTokens: 16_384 });
    expect(estimate.kvCacheBytes / MIB).toBe(kvMib);
    expect(estimate.stateBytes / MIB).toBe(stateMib);
    expect(estimate.weightsBytes / MIB).toBe(layers + 1);
  });
}

test("a token costs only what the layers without a window keep", () => {
  const facts = model("gpt-oss", 4, {
    "attention.head_count": u32(8),
    "attention.head_count_kv": u32(2),
    "attention.sliding_window": u32(128),
  });
  const [short, long] = [8192, 16_384].map((contextTokens) => estimateMemory(facts, { contextTokens }));
  // Two of four layers keep 2 heads of 64 keys and 64 values in half precision.
  expect(short?.kvCacheBytesPerToken).toBe(2 * 2 * 128 * 2);
  expect((long?.kvCacheBytes ?? 0) - (short?.kvCacheBytes ?? 0)).toBe(8192 * 1024);
});

test("a window or a stated pattern is believed, Phi 3's is not", () => {
  const heads = { "attention.head_count": u32(8), "attention.sliding_window": u32(64) };
  const windows = (architecture: string, keys: Record<string, GgufValue>): (number | undefined)[] =>
    model(architecture, 4, { ...heads, ...keys }).layers.map((layer) => layer.windowTokens);
  expect(windows("gemma4", { "attention.sliding_window_pattern": list(1, 1, 0, 1) })).toEqual([64, 64, undefined, 64]);
  expect(windows("smallthinker", {})).toEqual([undefined, 64, 64, 64]);
  expect(windows("phi3", {})).toEqual([undefined, undefined, undefined, undefined]);
  expect(windows("unheard-of", {})).toEqual([undefined, undefined, undefined, undefined]);
});

test("layers that share a cache, predict further tokens or keep a state have no cache of their own", () => {
  const cached = (architecture: string, keys: Record<string, GgufValue>): boolean[] =>
    model(architecture, 4, { "attention.head_count": u32(8), ...keys }).layers.map((layer) => layer.kvValuesPerToken > 0);
  expect(cached("gemma4", { "attention.shared_kv_layers": u32(1) })).toEqual([true, true, true, false]);
  expect(cached("glm4moe", { nextn_predict_layers: u32(1) })).toEqual([true, true, true, false]);
  expect(cached("qwen3next", { "ssm.state_size": u32(16) })).toEqual([false, false, false, true]);
  expect(cached("bert", {})).toEqual([false, false, false, false]);
});

test("quantising the cache and a projector count", () => {
  const facts = model("llama", 4, { "attention.head_count": u32(8) });
  const plain = estimateMemory(facts, { contextTokens: 1024 });
  const quantised = estimateMemory(facts, { contextTokens: 1024, kvBytesPerValue: 1.0625, projectorBytes: 5 * MIB });
  expect(quantised.kvCacheBytes).toBe((plain.kvCacheBytes * 1.0625) / 2);
  expect(quantised.weightsBytes).toBe(plain.weightsBytes + 5 * MIB);
  expect(plain.totalBytes).toBe(plain.weightsBytes + plain.kvCacheBytes + plain.stateBytes + plain.computeBytes);
});
