import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { TINY_SENTENCE, TINY_THOUGHT, type TinyOptions } from "../../src/model/tiny/index.ts";
import { type RealWorker, startWorker } from "./real-embedded-worker.ts";

interface ToolCall {
  readonly index?: number;
  readonly id?: string;
  readonly function: { readonly name?: string; readonly arguments?: string };
}
interface Message {
  readonly role?: string;
  readonly content: string | null;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly ToolCall[];
}
interface Usage {
  readonly completion_tokens: number;
  readonly prompt_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}
interface Chat {
  readonly object: string;
  readonly model: string;
  readonly choices: readonly [
    { readonly finish_reason: string; readonly message: Message; readonly logprobs?: { content: { token: string; logprob: number }[] } },
  ];
  readonly usage: Usage;
  readonly timings: Record<string, number>;
}
interface Chunk {
  readonly choices: readonly { readonly finish_reason: string | null; readonly delta: Partial<Message> }[];
  readonly usage?: Usage;
  readonly timings?: Record<string, number>;
}
interface Completion {
  readonly choices: readonly { readonly text: string; readonly finish_reason: string | null }[];
  readonly usage?: Usage;
}

const CHAT = "/v1/chat/completions";
const user = (content: string) => [{ role: "user", content }];
const GREETING = { messages: user("Who are you?"), temperature: 0 };
const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: {
      type: "object",
      properties: { city: { type: "string" }, days: { type: "integer", minimum: 1, maximum: 9 } },
      required: ["city", "days"],
    },
  },
};

/** One worker for all tests of a group. */
function workerOn(options: TinyOptions, flags: readonly string[] = []): () => RealWorker {
  let worker: RealWorker | undefined;
  // The first start on a machine installs the engine.
  beforeAll(async () => void (worker = await startWorker(options, flags)), 300_000);
  afterAll(async () => await worker?.[Symbol.asyncDispose]());
  return () => worker!;
}

const failure = async (worker: RealWorker, path: string, body: unknown) => {
  const response = await fetch(worker.url + path, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as { error: Record<string, unknown> } };
};

describe("the embedded worker", () => {
  const worker = workerOn({}, ["--ctx-size", "1024", "--parallel", "2"]);

  test("answers with the exact sentence, usage and timings", async () => {
    const answer = await worker().post<Chat>(CHAT, GREETING);
    expect(answer).toMatchObject({
      object: "chat.completion",
      model: "tiny",
      choices: [{ finish_reason: "stop", index: 0, message: { role: "assistant", content: TINY_SENTENCE } }],
    });
    const { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total } = answer.usage;
    expect(total).toBe(prompt + completion);
    expect(answer.timings).toMatchObject({ predicted_n: completion });
    expect((answer.timings["prompt_n"] ?? 0) + (answer.timings["cache_n"] ?? 0)).toBe(prompt);
  });

  test("streams the role first, then the words in their order, then the end, then usage", async () => {
    const chunks = await worker().stream<Chunk>(CHAT, { ...GREETING, stream_options: { include_usage: true } });
    expect(chunks[0]?.choices[0]?.delta).toEqual({ role: "assistant", content: null });
    const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta));
    expect(deltas.map(({ content }) => content ?? "").join("")).toBe(TINY_SENTENCE);
    expect(deltas.length).toBeGreaterThan(10);
    expect(chunks.at(-2)).toMatchObject({ choices: [{ finish_reason: "stop", delta: {} }] });
    expect(chunks.at(-2)).not.toHaveProperty("timings");
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 18 } });
    expect(chunks.at(-1)?.timings).toBeDefined();
  });

  test("a repeated prompt comes out of the cache except for its last token", async () => {
    const body = { messages: user("The same question twice"), temperature: 0 };
    await worker().post<Chat>(CHAT, body);
    const { usage } = await worker().post<Chat>(CHAT, body);
    expect(usage.prompt_tokens_details.cached_tokens).toBe(usage.prompt_tokens - 1);
    const fresh = await worker().post<Chat>(CHAT, { ...body, cache_prompt: false });
    expect(fresh.usage.prompt_tokens_details.cached_tokens).toBe(0);
    expect(fresh.choices[0].message.content).toBe(TINY_SENTENCE);
  });

  test("a limit of tokens ends the answer with length", async () => {
    const { choices, usage } = await worker().post<Chat>(CHAT, { ...GREETING, max_tokens: 3 });
    expect(choices[0]).toMatchObject({ finish_reason: "length", message: { content: "Hello! I am" } });
    expect(usage.completion_tokens).toBe(3);
  });

  test("a stop string across tokens ends the answer before it, streamed or not", async () => {
    const stop = ["y, the mod"];
    const { choices } = await worker().post<Chat>(CHAT, { ...GREETING, stop });
    expect(choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "Hello! I am tin" } });
    const chunks = await worker().stream<Chunk>(CHAT, { ...GREETING, stop });
    expect(chunks.flatMap((chunk) => chunk.choices.map(({ delta }) => delta.content ?? "")).join("")).toBe("Hello! I am tin");
  });

  test("a seed repeats a random answer, another one gives another", async () => {
    const roll = async (seed: number) => {
      const { choices } = await worker().post<Chat>(CHAT, { messages: user("roll the dice"), temperature: 1, seed, max_tokens: 30 });
      return choices[0].message.content;
    };
    expect(await roll(7)).toBe(await roll(7));
    expect(await roll(7)).not.toBe(await roll(8));
  });

  test("required tools are called with arguments that follow the schema", async () => {
    const body = { ...GREETING, tools: [WEATHER], tool_choice: "required", parallel_tool_calls: false };
    const { choices } = await worker().post<Chat>(CHAT, body);
    expect(choices[0].finish_reason).toBe("tool_calls");
    const [call] = choices[0].message.tool_calls ?? [];
    expect(call?.function.name).toBe("get_weather");
    const { city, days } = JSON.parse(call?.function.arguments ?? "") as { city: unknown; days: number };
    expect(city).toBeString();
    expect(days).toBeWithin(1, 10);
    expect(call?.id).toMatch(/^\w{32}$/);
  });

  test("a call that the model begins by itself is held to the schema and streamed in pieces", async () => {
    const body = { messages: user("use a tool"), temperature: 0, tools: [WEATHER] };
    const chunks = (await worker().stream<Chunk>(CHAT, body)).flatMap(({ choices }) => choices);
    const calls = chunks.flatMap(({ delta }) => delta.tool_calls ?? []);
    expect(calls[0]).toMatchObject({ index: 0, id: expect.stringMatching(/^\w{32}$/), function: { name: "get_weather" } });
    expect(calls.slice(1).every((call) => call.function.name === undefined)).toBe(true);
    expect(JSON.parse(calls.map((call) => call.function.arguments ?? "").join(""))).toMatchObject({
      city: expect.any(String),
      days: expect.any(Number),
    });
    expect(chunks.map(({ delta }) => delta.content ?? "").join("")).toBe("");
    expect(chunks.at(-1)?.finish_reason).toBe("tool_calls");
  });

  test("the named tool is called, and no tool when none is wanted", async () => {
    const other = { type: "function", function: { name: "other", parameters: { type: "object", properties: {} } } };
    const named = { ...GREETING, tools: [WEATHER, other], tool_choice: { type: "function", function: { name: "other" } } };
    const { choices } = await worker().post<Chat>(CHAT, named);
    expect(choices[0].message.tool_calls?.map((call) => call.function)).toEqual([{ name: "other", arguments: expect.any(String) }]);
    const without = await worker().post<Chat>(CHAT, { ...GREETING, tools: [WEATHER], tool_choice: "none" });
    expect(without.choices[0].message.tool_calls).toBeUndefined();
  });

  test("a JSON schema is followed, and any object where none is given", async () => {
    const schema = {
      type: "object",
      properties: { kind: { enum: ["a", "b"] }, count: { type: "integer", minimum: 3, maximum: 5 } },
      required: ["kind", "count"],
    };
    const strict = await worker().post<Chat>(CHAT, {
      ...GREETING,
      response_format: { type: "json_schema", json_schema: { name: "x", schema } },
    });
    const { kind, count } = JSON.parse(strict.choices[0].message.content ?? "") as { kind: string; count: number };
    expect(["a", "b"]).toContain(kind);
    expect(count).toBeWithin(3, 6);
    const any = await worker().post<Chat>(CHAT, { ...GREETING, response_format: { type: "json_object" } });
    expect(JSON.parse(any.choices[0].message.content ?? "")).toBeObject();
  });

  test("a grammar is followed", async () => {
    const { choices } = await worker().post<Completion>("/v1/completions", {
      prompt: "Hello!",
      temperature: 0,
      grammar: 'root ::= " I" " am" " the"',
    });
    expect(choices[0]).toMatchObject({ text: " I am the", finish_reason: "stop" });
  });

  test("text completions take texts and tokens, several at once", async () => {
    const { tokens } = await worker().post<{ tokens: number[] }>("/tokenize", { content: "Hello!" });
    const { choices } = await worker().post<Completion>("/v1/completions", { prompt: ["Hello!", tokens], temperature: 0, max_tokens: 2 });
    expect(choices.map(({ text }) => text)).toEqual([" I am", " I am"]);
    const chunks = await worker().stream<Completion>("/v1/completions", { prompt: "Hello!", temperature: 0, max_tokens: 2 });
    expect(chunks.map(({ choices: [choice] }) => choice?.text)).toEqual([" I", " am", ""]);
    expect(chunks.at(-1)).toMatchObject({ choices: [{ finish_reason: "length" }], usage: { completion_tokens: 2 } });
  });

  test("logprobs name the chosen tokens and their rivals", async () => {
    const { choices } = await worker().post<Chat>(CHAT, { ...GREETING, max_tokens: 2, logprobs: true, top_logprobs: 2 });
    expect(choices[0].logprobs?.content).toMatchObject([
      { token: "Hello!", top_logprobs: [{ token: "Hello!" }, {}] },
      { token: " I", top_logprobs: [{ token: " I" }, {}] },
    ]);
  });

  test("several choices are several answers", async () => {
    const { choices } = await worker().post<Chat>(CHAT, { ...GREETING, n: 2, max_tokens: 2 });
    expect(choices.map(({ message }) => message.content)).toEqual(["Hello! I", "Hello! I"]);
  });

  test("a last message of the assistant is continued", async () => {
    const messages = [...user("Who are you?"), { role: "assistant", content: "Hello! I" }];
    const { choices } = await worker().post<Chat>(CHAT, { messages, temperature: 0, max_tokens: 2 });
    expect(choices[0].message.content).toBe("Hello! I am tiny,");
  });

  test("more requests than slots wait for their turn and all are answered", async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => worker().post<Chat>(CHAT, GREETING)));
    expect(new Set(answers.map(({ choices }) => choices[0].message.content))).toEqual(new Set([TINY_SENTENCE]));
  });

  test("text survives tokenizing and back, and templates are rendered", async () => {
    const text = "Hëllo 😀 <|im_end|>";
    const { tokens } = await worker().post<{ tokens: number[] }>("/tokenize", { content: text });
    expect(await worker().post<unknown>("/detokenize", { tokens })).toEqual({ content: text });
    expect(await worker().post<unknown>("/apply-template", { messages: user("hi") })).toEqual({
      prompt: "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
    });
  });

  test("its properties say what llama-server's say", async () => {
    expect(await worker().get<unknown>("/props")).toMatchObject({
      total_slots: 2,
      model_alias: "tiny",
      default_generation_settings: { n_ctx: 1024, params: { temperature: 0.8 } },
      chat_template_caps: {
        supports_tools: true,
        supports_tool_calls: true,
        supports_parallel_tool_calls: true,
        supports_typed_content: false,
      },
      build_info: expect.any(String),
    });
    expect(await worker().get<unknown>("/v1/models")).toMatchObject({
      models: [{ name: "tiny" }],
      data: [{ id: "tiny", meta: { n_ctx: 1024 } }],
    });
    expect(await worker().get<unknown>("/health")).toEqual({ status: "ok" });
  });

  test("faults are answered in llama-server's words", async () => {
    const long = await failure(worker(), "/v1/completions", { prompt: "x".repeat(2000) });
    expect(long).toEqual({
      status: 400,
      body: {
        error: {
          code: 400,
          message: "request (2000 tokens) exceeds the available context size (1024 tokens), try increasing it",
          type: "exceed_context_size_error",
          n_prompt_tokens: 2000,
          n_ctx: 1024,
        },
      },
    });
    const faults = [
      [CHAT, "{bad", 500, "[json.exception.parse_error.101]"],
      [CHAT, {}, 400, "'messages' is required"],
      [CHAT, { ...GREETING, temperature: "hot" }, 400, "Field 'temperature'"],
      [CHAT, { ...GREETING, grammar: "root ::= x" }, 400, "failed to parse grammar"],
      [CHAT, { ...GREETING, response_format: { type: "xml" } }, 400, "response_format type must be one of"],
      ["/v1/embeddings", { input: "x" }, 501, "does not support embeddings"],
      ["/nowhere", {}, 404, "File Not Found"],
    ] as const;
    for (const [path, body, status, message] of faults) {
      const found = await failure(worker(), path, body);
      expect(found).toMatchObject({ status, body: { error: { code: status, message: expect.stringContaining(message) } } });
    }
  });
});

describe("the embedded worker on a model that thinks", () => {
  const worker = workerOn({ reasoning: true }, ["--ctx-size", "1024"]);

  test("gives the thought apart from the content", async () => {
    const { choices } = await worker().post<Chat>(CHAT, GREETING);
    expect(choices[0].message).toEqual({ role: "assistant", content: TINY_SENTENCE, reasoning_content: TINY_THOUGHT });
  });

  test("leaves it in the content, or out, on request", async () => {
    const raw = await worker().post<Chat>(CHAT, { ...GREETING, reasoning_format: "none" });
    expect(raw.choices[0].message.content).toBe(`<think>${TINY_THOUGHT}</think>${TINY_SENTENCE}`);
    const silent = await worker().post<Chat>(CHAT, { ...GREETING, chat_template_kwargs: { enable_thinking: false } });
    expect(silent.choices[0].message).toEqual({ role: "assistant", content: TINY_SENTENCE });
  });

  test("thinks before a required call and before JSON", async () => {
    const call = await worker().post<Chat>(CHAT, { ...GREETING, tools: [WEATHER], tool_choice: "required", parallel_tool_calls: false });
    expect(call.choices[0].message).toMatchObject({ reasoning_content: TINY_THOUGHT, tool_calls: [{ function: { name: "get_weather" } }] });
    const json = await worker().post<Chat>(CHAT, { ...GREETING, response_format: { type: "json_object" } });
    expect(json.choices[0].message.reasoning_content).toBe(TINY_THOUGHT);
    expect(JSON.parse(json.choices[0].message.content ?? "")).toBeObject();
  });
});

describe("the embedded worker on a model of vectors", () => {
  const worker = workerOn({ embedding: true }, ["--embeddings", "--ctx-size", "512"]);
  interface Embeddings {
    readonly data: readonly { readonly index: number; readonly embedding: number[] | string }[];
    readonly usage: { readonly prompt_tokens: number };
  }

  test("gives vectors of length one, in the order of the inputs", async () => {
    const { data, usage } = await worker().post<Embeddings>("/v1/embeddings", { input: ["lemon tree", "lemon trees", "quartz"] });
    expect(data.map(({ index }) => index)).toEqual([0, 1, 2]);
    const vectors = data.map(({ embedding }) => embedding as number[]);
    for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    const likeness = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
    const [tree, trees, quartz] = vectors as [number[], number[], number[]];
    expect(likeness(tree, trees)).toBeGreaterThan(likeness(tree, quartz));
    expect(usage.prompt_tokens).toBeGreaterThan(0);
  });

  test("takes tokens as well as text, and gives base64 as well as numbers", async () => {
    const { tokens } = await worker().post<{ tokens: number[] }>("/tokenize", { content: "lemon", add_special: true });
    const [asText, asTokens, asBase64] = await Promise.all([
      worker().post<Embeddings>("/v1/embeddings", { input: "lemon" }),
      worker().post<Embeddings>("/v1/embeddings", { input: [tokens] }),
      worker().post<Embeddings>("/v1/embeddings", { input: "lemon", encoding_format: "base64" }),
    ]);
    const expected = asText.data[0]?.embedding as number[];
    expect(asTokens.data[0]?.embedding).toEqual(expected);
    const bytes = Buffer.from(asBase64.data[0]?.embedding as string, "base64");
    expect(Array.from({ length: expected.length }, (_value, i) => bytes.readFloatLE(4 * i))).toEqual(expected.map(Math.fround));
  });

  test("refuses input that is empty or too long", async () => {
    expect(await failure(worker(), "/v1/embeddings", { input: "" })).toMatchObject({ status: 400 });
    expect(await failure(worker(), "/v1/embeddings", { input: "x".repeat(2000) })).toMatchObject({
      status: 500,
      body: { error: { message: expect.stringContaining("is too large to process") } },
    });
  });
});

describe("the embedded worker on a model that ranks", () => {
  const worker = workerOn({ reranking: true }, ["--reranking", "--ctx-size", "512"]);

  test("sorts documents by how well they fit the query", async () => {
    const documents = ["apple pie", "lemon juice is sour", "x"];
    const { results } = await worker().post<{ results: { index: number; relevance_score: number }[] }>("/v1/rerank", {
      query: "lemon juice",
      documents,
      top_n: 2,
    });
    expect(results.map(({ index }) => index)).toEqual([1, 0]);
    expect(results[0]?.relevance_score).toBeGreaterThan(results[1]?.relevance_score ?? Infinity);
  });
});
