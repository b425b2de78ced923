import { afterAll, beforeAll, expect, test } from "bun:test";
import { createWorkspace, makeMisbehavingEngine, startLemonade, until, type Lemonade } from "../fixtures/index.ts";

let server: Lemonade;
beforeAll(async () => {
  server = await startLemonade();
});
afterAll(async () => await server[Symbol.asyncDispose]());

const stats = async (): Promise<unknown> => await (await server.fetch("/api/v1/stats")).json();
const chat = async (stream: boolean) =>
  await (await server.post("/v1/chat/completions", { model: "tiny", stream, messages: [{ role: "user", content: "Hi" }] })).text();

test("figures are null before the first request, then tell of the last one and sum up per model, streamed or not", async () => {
  expect(await stats()).toMatchObject({
    input_tokens: null,
    output_tokens: null,
    time_to_first_token: null,
    tokens_per_second: null,
    models: {},
  });
  const answer = JSON.parse(await chat(false)) as { usage: { prompt_tokens: number; completion_tokens: number } };
  const { prompt_tokens: input, completion_tokens: output } = answer.usage;
  expect(await stats()).toMatchObject({
    model: "tiny",
    input_tokens: input,
    output_tokens: output,
    time_to_first_token: expect.any(Number),
    context_size: 4096,
  });
  expect(await server.model("tiny")).toMatchObject({ context_size: 4096, device_memory_bytes: {} });
  await chat(true);
  expect(await stats()).toMatchObject({
    input_tokens: input,
    output_tokens: output,
    cached_tokens: expect.any(Number),
    tokens_per_second: expect.any(Number),
    models: { tiny: { requests: 2, input_tokens: 2 * input, output_tokens: 2 * output } },
  });
});

test("an answer without figures counts with those that its engine prints, and one with both counts once", async () => {
  const timings = { cache_n: 5, prompt_n: 3, prompt_ms: 35.264, predicted_n: 20, predicted_per_second: 31.64 };
  const prints = [
    "slot      release: id  0 | task 7 | stop processing: n_past = 42, truncated = 0",
    "slot print_timing: id  0 | task 7 | ",
    "prompt eval time =      35.26 ms /     3 tokens (   11.75 ms per token,    85.09 tokens per second)",
    "       eval time =    1991.14 ms /    20 tokens (   31.61 ms per token,    31.64 tokens per second)",
    "      total time =    2026.40 ms /    23 tokens",
    "draft acceptance rate = 0.50000 (    5 accepted /    10 generated)",
    "srv  update_slots: all slots are idle",
  ];
  await using workspace = await createWorkspace();
  const engine = await makeMisbehavingEngine(workspace, [
    {
      says: [
        "load_tensors:        CUDA0 model buffer size =   100.00 MiB",
        "srv    load_model: initializing, n_slots = 1, n_ctx_slot = 2048, kv_unified = 'true'",
      ],
      answers: [
        { kind: "echo", prints },
        { kind: "status", status: 200, body: JSON.stringify({ timings }), prints },
      ],
    },
  ]);
  await using silent = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
  const totals = async () => ((await (await silent.fetch("/api/v1/stats")).json()) as { models: Record<string, unknown> }).models["tiny"];
  const ask = async () => await (await silent.post("/v1/chat/completions", { model: "tiny", messages: [] })).text();
  await ask();
  await until("the first answer is counted", totals);
  expect(await totals()).toMatchObject({
    requests: 1,
    input_tokens: 23,
    cached_tokens: 20,
    output_tokens: 20,
    last: { context_size: 2048, draft_acceptance: 0.5 },
  });
  await ask();
  expect(await totals()).toMatchObject({ requests: 2, input_tokens: 31, cached_tokens: 25, output_tokens: 40 });
  await ask();
  await until("the third answer is counted", async () => ((await totals()) as { requests: number }).requests === 3);
  expect((await silent.model("tiny")).device_memory_bytes).toEqual({ CUDA0: 100 * 2 ** 20 });
});
