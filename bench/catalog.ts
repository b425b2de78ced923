/**
 * Times the catalog on this machine: `bin/bun bench/catalog.ts`. Lists 10,000 registered and 5,000 cached models, cold and warm, and reads a
 * GGUF header with 500 KB of metadata. Goals: a warm list below 100 ms, a header below 10 ms.
 */
import { join } from "node:path";
import { createCatalogFixture } from "../src/catalog/catalog-fixture.ts";
import { flattenImage, writeGguf } from "../src/model/gguf/index.ts";

const REGISTERED = 10_000;
const CACHED = 5000;
const RUNS = 9;

const registry = Object.fromEntries(
  Array.from({ length: REGISTERED }, (_unused, i) => [
    `Model-${i}-GGUF`,
    { checkpoint: `bench/model-${i}-GGUF:Q4_0`, recipe: "llamacpp", suggested: i % 10 === 0 },
  ]),
);
await using fixture = await createCatalogFixture({ registry });
for (let i = 0; i < CACHED; i++) await fixture.addToHub(`bench/model-${i}-GGUF`, { [`model-${i}-Q4_0.gguf`]: {} });

const list = async () => (await fixture.catalog.list({ all: true })).length;
const cold = await timed(list);
const warm = await median(async () => await timed(list));
console.log(
  `list of ${cold.value} models (${REGISTERED} registered, ${CACHED} of them cached): cold ${cold.ms.toFixed(0)} ms, warm ${warm.toFixed(1)} ms (goal 100 ms)`,
);

const tokens = Array.from({ length: 32_000 }, (_unused, i) => `token-${i}`);
const metadata = {
  "general.architecture": { type: "string", value: "llama" },
  "llama.block_count": { type: "u32", value: 1 },
  "tokenizer.ggml.tokens": { type: "string[]", value: tokens },
} as const;
const image = writeGguf({ metadata, tensors: [{ name: "token_embd.weight", shape: [32, 2], type: "f16" }] });
const path = join(fixture.models, "large-header.gguf");
await Bun.write(path, flattenImage(image));
const inspect = async () => {
  const entry = await fixture.catalog.find(path);
  return entry && (await fixture.catalog.inspect(entry));
};
const first = await timed(inspect);
console.log(
  `header of ${Math.round(Bun.file(path).size / 1000)} KB: ${first.ms.toFixed(1)} ms the first time in this process (goal 10 ms)`,
);

async function timed<T>(work: () => Promise<T>): Promise<{ value: T; ms: number }> {
  const startedMs = performance.now();
  const value = await work();
  return { value, ms: performance.now() - startedMs };
}

async function median(run: () => Promise<{ ms: number }>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < RUNS; i++) times.push((await run()).ms);
  return times.toSorted((a, b) => a - b)[Math.floor(RUNS / 2)] ?? 0;
}
