import { afterAll, beforeAll, expect, test } from "bun:test";
import type OpenAI from "openai";
import { TINY_SENTENCE } from "../../src/model/tiny/index.ts";
import { describeWithEachEngine, startLemonade, type Lemonade } from "../fixtures/index.ts";

describeWithEachEngine("completions and embeddings", (engine) => {
  let server: Lemonade;
  beforeAll(async () => void (server = await startLemonade({ engine })));
  afterAll(async () => await server[Symbol.asyncDispose]());

  test("text is continued with the sentence", async () => {
    const { choices, usage, object } = await server.openai.completions.create({
      model: "tiny",
      prompt: "Once upon a time",
      temperature: 0,
    });
    expect(object).toBe("text_completion");
    expect(choices[0]?.text).toBe(`\n${TINY_SENTENCE}`);
    expect(choices[0]?.finish_reason).toBe("stop");
    expect(usage?.total_tokens).toBe(usage!.prompt_tokens + usage!.completion_tokens);
  });

  test("a streamed continuation arrives in pieces", async () => {
    const events = await server.openai.completions.create({ model: "tiny", prompt: "Once", temperature: 0, stream: true });
    const chunks = await Array.fromAsync(events);
    expect(chunks.map(({ choices }) => choices[0]?.text ?? "").join("")).toBe(`\n${TINY_SENTENCE}`);
    expect(chunks.filter(({ choices }) => choices[0]?.text).length).toBeGreaterThan(5);
    expect(chunks.findLast(({ choices }) => choices[0]?.finish_reason)?.choices[0]?.finish_reason).toBe("stop");
  });

  test("an echo stands before each text, whether the prompt is a text, several, or tokens", async () => {
    const echoOf = async (prompt: OpenAI.CompletionCreateParams["prompt"], n = 1) => {
      const { choices } = await server.openai.completions.create({ model: "tiny", prompt, n, echo: true, max_tokens: 1, temperature: 0 });
      return choices.map(({ text }) => text);
    };
    expect(await echoOf("Once")).toEqual(["Once\nHello!"]);
    expect(await echoOf(["Once", "Hi"], 2)).toEqual(["Once\nHello!", "Once\nHello!", "Hi\nHello!", "Hi\nHello!"]);
    expect(await echoOf([104, 105])).toEqual(["hi\nHello!"]);
    expect(await echoOf([[104, 105], [104]])).toEqual(["hi\nHello!", "h\nHello!"]);
  });

  test("every event of a stream of several prompts has a choice, with its echo first", async () => {
    const prompt = ["Once", "Hi"];
    const events = await server.openai.completions.create({
      model: "tiny",
      prompt,
      echo: true,
      max_tokens: 2,
      temperature: 0,
      stream: true,
    });
    const texts = ["", ""];
    for await (const { choices } of events) {
      const [choice] = choices;
      texts[choice!.index] += choice!.text;
    }
    expect(texts).toEqual(["Once\nHello! I", "Hi\nHello! I"]);
    const plain = await server.openai.completions.create({ model: "tiny", prompt, max_tokens: 2, stream: true });
    for await (const event of plain) expect(event.choices).toHaveLength(1);
  });

  test("logprobs have the lists of completions, streamed or not", async () => {
    const body = { model: "tiny", prompt: "Once", echo: true, max_tokens: 2, temperature: 0, logprobs: 2 };
    const { choices } = await server.openai.completions.create(body);
    const { tokens, token_logprobs, top_logprobs, text_offset } = choices[0]!.logprobs!;
    expect(tokens).toEqual(["\nHello!", " I"]);
    expect(token_logprobs).toHaveLength(2);
    expect(top_logprobs?.map((top) => top["\nHello!"] ?? top[" I"])).toEqual(token_logprobs);
    expect(text_offset).toEqual([4, 11]);
    const streamed = await Array.fromAsync(await server.openai.completions.create({ ...body, stream: true }));
    expect(streamed.flatMap((event) => event.choices[0]?.logprobs?.text_offset ?? [])).toEqual([4, 11]);
  });

  test("stop words and limits hold", async () => {
    const stopped = await server.openai.completions.create({ model: "tiny", prompt: "Once", temperature: 0, stop: [" model"] });
    expect(stopped.choices[0]?.text).toBe("\nHello! I am tiny, the");
    const limited = await server.openai.completions.create({ model: "tiny", prompt: "Once", temperature: 0, max_tokens: 2 });
    expect(limited.choices[0]).toMatchObject({ text: "\nHello! I", finish_reason: "length" });
  });

  test("the same text has the same embedding, as numbers and as base64", async () => {
    const embed = async (input: string, encoding_format: "float" | "base64") =>
      (await server.openai.embeddings.create({ model: "tiny-embedding", input, encoding_format })).data[0]?.embedding;
    const numbers = await embed("hello", "float");
    expect(numbers).toBeArray();
    expect(numbers!.length).toBeGreaterThan(1);
    expect(Math.hypot(...numbers!)).toBeCloseTo(1, 3);
    expect(await embed("hello", "float")).toEqual(numbers);
    expect(await embed("something else", "float")).not.toEqual(numbers);
    // Asked for by name, the SDK hands the string over as it is.
    const text = (await embed("hello", "base64")) as unknown as string;
    const decoded = new Float32Array(Uint8Array.fromBase64(text).buffer);
    expect(decoded.length).toBe(numbers!.length);
    for (const [i, number] of decoded.entries()) expect(number).toBeCloseTo(numbers![i]!, 5);
  });

  test("the SDK's own wish for base64 is invisible to its caller", async () => {
    const { data, object, usage } = await server.openai.embeddings.create({ model: "tiny-embedding", input: ["one", "two", "three"] });
    expect(object).toBe("list");
    expect(data.map(({ index }) => index)).toEqual([0, 1, 2]);
    for (const { embedding } of data) expect(Math.hypot(...embedding)).toBeCloseTo(1, 3);
    expect(usage.prompt_tokens).toBeGreaterThan(2);
  });

  test("tokens are one input, alone and mixed with text", async () => {
    const tokens = await server.openai.embeddings.create({ model: "tiny-embedding", input: [104, 105, 106], encoding_format: "float" });
    expect(tokens.data).toHaveLength(1);
    const response = await server.post("/v1/embeddings", { model: "tiny-embedding", input: [104, "hi", 105, "ho"] });
    const { data } = (await response.json()) as { data: { embedding: number[] }[] };
    expect(data).toHaveLength(1);
    expect(data[0]?.embedding.length).toBeGreaterThan(1);
  });
});
