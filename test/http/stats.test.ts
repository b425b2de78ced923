import { afterAll, beforeAll, expect, test } from "bun:test";
import { startLemonade, type Lemonade } from "../fixtures/index.ts";

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
  });
  await chat(true);
  expect(await stats()).toMatchObject({
    input_tokens: input,
    output_tokens: output,
    cached_tokens: expect.any(Number),
    tokens_per_second: expect.any(Number),
    models: { tiny: { requests: 2, input_tokens: 2 * input, output_tokens: 2 * output } },
  });
});
