import { expect, test } from "bun:test";
import type { EngineFact } from "../engine-telemetry.ts";
import { LlamaCppOutput } from "./engine-output.ts";

/** Everything that an output says, in order. */
function factsOf(lines: string): EngineFact[] {
  const facts: EngineFact[] = [];
  const output = new LlamaCppOutput((fact) => facts.push(fact));
  for (const line of lines.trim().split("\n")) output.read(line);
  return facts;
}

const answersOf = (lines: string) => factsOf(lines).flatMap((fact) => (fact.kind === "answered" ? [fact.timings] : []));
const lastMemoryOf = (lines: string) => factsOf(lines).findLast((fact) => fact.kind === "memory")?.devices;

const NONE_DRAFTED = { draftTokens: undefined, draftTokensAccepted: undefined };

test("an answer's figures are read from a build that names slot and task in each line", () => {
  const lines = `
0.00.347.661 I slot   operator(): id  3 | task 38 | cached n_tokens = 14, memory_seq_rm [14, end)
0.00.353.264 I slot print_timing: id  3 | task 38 | prompt eval time =       0.49 ms /     1 tokens (    0.49 ms per token,  2032.52 tokens per second)
0.00.353.280 I slot print_timing: id  3 | task 38 |        eval time =       5.10 ms /    18 tokens (    0.30 ms per token,  3332.68 tokens per second)
0.00.353.287 I slot print_timing: id  3 | task 38 |       total time =       5.59 ms /    19 tokens
0.00.353.294 I slot print_timing: id  3 | task 38 |    graphs reused =         53
0.00.357.173 I slot      release: id  3 | task 38 | stop processing: n_tokens = 32, truncated = 0
`;
  expect(answersOf(lines)).toEqual([
    { promptTokens: 15, cachedTokens: 14, completionTokens: 18, promptMs: 0.49, tokensPerSecond: 3332.68, ...NONE_DRAFTED },
  ]);
});

test("an answer's figures are read from lines of JSON", () => {
  const lines = `
{"type":"log","time":129106,"level":"info","msg":"slot print_timing: id  3 | task 0 | prompt eval time =       0.65 ms /    15 tokens (    0.04 ms per token, 22970.90 tokens per second)\\n"}
{"type":"log","time":129129,"level":"info","msg":"slot print_timing: id  3 | task 0 |        eval time =       3.10 ms /    18 tokens (    0.18 ms per token,  5485.64 tokens per second)\\n"}
{"type":"log","time":129138,"level":"info","msg":"slot print_timing: id  3 | task 0 |       total time =       3.75 ms /    33 tokens\\n"}
{"type":"log","time":129139,"level":"info","msg":"slot print_timing: id  3 | task 0 | draft acceptance = 0.57576 (  171 accepted /   297 generated), mean len =   2.36\\n"}
{"type":"log","time":129303,"level":"info","msg":"slot      release: id  3 | task 0 | stop processing: n_tokens = 32, truncated = 0\\n"}
`;
  expect(answersOf(lines)).toEqual([
    {
      promptTokens: 15,
      cachedTokens: 0,
      completionTokens: 18,
      promptMs: 0.65,
      tokensPerSecond: 5485.64,
      draftTokens: 297,
      draftTokensAccepted: 171,
    },
  ]);
});

test("an answer's figures are read from an older build, which names the task once and releases first", () => {
  const lines = `
slot      release: id  0 | task 7 | stop processing: n_past = 42, truncated = 0
slot print_timing: id  0 | task 7 | 
prompt eval time =      35.26 ms /     3 tokens (   11.75 ms per token,    85.09 tokens per second)
       eval time =    1991.14 ms /    20 runs   (   31.61 ms per token,    31.64 tokens per second)
      total time =    2026.40 ms /    23 tokens
draft acceptance rate = 0.50000 (    5 accepted /    10 generated)
srv  update_slots: all slots are idle
`;
  expect(answersOf(lines)).toEqual([
    {
      promptTokens: 23,
      cachedTokens: 20,
      completionTokens: 20,
      promptMs: 35.26,
      tokensPerSecond: 31.64,
      draftTokens: 10,
      draftTokensAccepted: 5,
    },
  ]);
});

test("two answers that end together are told apart by their tasks", () => {
  const block = (task: number, tokens: number) => `
slot print_timing: id  ${task} | task ${task} | prompt eval time =       1.00 ms /     ${tokens} tokens (    0.49 ms per token,  2032.52 tokens per second)
slot print_timing: id  ${task} | task ${task} |        eval time =       5.10 ms /    1${tokens} tokens (    0.30 ms per token,  3332.68 tokens per second)
slot print_timing: id  ${task} | task ${task} |       total time =       5.59 ms /    19 tokens`;
  const end = "\nslot      release: id  2 | task 2 | stop processing: n_tokens = 20, truncated = 1";
  const read = answersOf(block(1, 4) + block(2, 5) + end);
  expect(read.map(({ promptTokens, completionTokens }) => [promptTokens, completionTokens])).toEqual([
    [4, 14],
    [5, 15],
  ]);
});

test("an answer that is broken off tells nothing", () => {
  const lines = `
srv          stop: cancel task, id_task = 57
slot      release: id  3 | task 57 | stop processing: n_tokens = 23, truncated = 0
srv  update_slots: all slots are idle
`;
  expect(factsOf(lines)).toEqual([]);
});

test("the context of one conversation is read, whatever the build calls it", () => {
  for (const line of [
    "0.00.053.171 I srv    load_model: initializing, n_slots = 4, n_ctx_slot = 2048, kv_unified = 'true'",
    "slot   load_model: id  0 | task -1 | new slot, n_ctx = 2048",
    "slot         init: id  0 | task -1 | new slot n_ctx_slot = 2048",
  ]) {
    expect(factsOf(line)).toEqual([{ kind: "context", tokens: 2048 }]);
  }
});

test("the buffers of each device are summed, those in main memory left out", () => {
  const lines = `
load_tensors:   CPU_Mapped model buffer size =   125.19 MiB
load_tensors:        CUDA0 model buffer size =  4096.00 MiB
llama_kv_cache:      CUDA0 KV buffer size =   512.00 MiB
llama_kv_cache:      CUDA1 KV buffer size =   256.50 MiB
sched_reserve:      CUDA0 compute buffer size =   258.50 MiB
sched_reserve:  CUDA_Host compute buffer size =    12.00 MiB
`;
  expect(lastMemoryOf(lines)).toEqual({ CUDA0: 4866.5 * 2 ** 20, CUDA1: 256.5 * 2 ** 20 });
  expect(lastMemoryOf("llm_load_tensors:    Vulkan0 buffer size =  100.00 MiB")).toEqual({ Vulkan0: 100 * 2 ** 20 });
  expect(lastMemoryOf("load_tensors:          CPU model buffer size =     0.65 MiB")).toEqual({});
});

test("sums that the engine tells itself count instead of its lines", () => {
  const rows = [
    { kind: "device", name: "CUDA0", description: "NVIDIA H100", total: 80_000, free: 70_000, self: 5000, model: 4000 },
    { kind: "host", name: "Host", self: 7, model: 0, context: 1, compute: 6 },
  ];
  const told = JSON.stringify({ type: "fit_memory_breakdown", data: { unit: "MiB", rows } });
  expect(lastMemoryOf(`${told}\nload_tensors:        CUDA0 model buffer size =  4096.00 MiB`)).toEqual({ CUDA0: 5000 * 2 ** 20 });
});

test("a line of JSON is shown as its text, and an error as one", () => {
  const output = new LlamaCppOutput(() => {});
  expect(output.read('{"type":"log","time":1,"level":"error","msg":"srv  start: couldn\'t bind\\n"}')).toEqual({
    text: "srv  start: couldn't bind",
    isError: true,
  });
  expect(output.read('{"type":"log","time":1,"level":"warn","msg":"n_past was set to 14\\n"}')?.isError).toBe(false);
  expect(output.read('{"type":"fit_memory_breakdown","data":{}}')).toBeUndefined();
  expect(output.read('{"type":"log", cut off')?.text).toBe('{"type":"log", cut off');
  expect(output.read("ggml_abort")).toEqual({ text: "ggml_abort" });
});
