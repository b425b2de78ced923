import { afterAll, beforeAll, expect, test } from "bun:test";
import type OpenAI from "openai";
import { TINY_SENTENCE, TINY_THOUGHT } from "../../src/model/tiny/index.ts";
import { createWorkspace, describeWithEachEngine, makeModels, startLemonade, type Lemonade, type Workspace } from "../fixtures/index.ts";

type ChatRequest = OpenAI.Chat.ChatCompletionCreateParamsNonStreaming;

const HELLO: ChatRequest["messages"] = [{ role: "user", content: "hi" }];

const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather of a town",
    parameters: { type: "object", properties: { town: { type: "string" } }, required: ["town"] },
  },
} as const satisfies OpenAI.Chat.ChatCompletionTool;

const PERSON = {
  type: "object",
  properties: { name: { type: "string", maxLength: 8 }, age: { type: "integer", minimum: 1, maximum: 9 }, isMember: { type: "boolean" } },
  required: ["name", "age", "isMember"],
  additionalProperties: false,
} as const;

describeWithEachEngine("chat completions", (engine) => {
  let workspace: Workspace;
  let server: Lemonade;
  beforeAll(async () => {
    workspace = await createWorkspace();
    const models = await makeModels(`${workspace.folder}/models`, ["endless", "reasoning"]);
    server = await startLemonade({ engine, workspace, flags: [...models.flags, "--max-loaded-models", "3"] });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  });

  const complete = async (fields: Partial<ChatRequest> = {}) =>
    await server.openai.chat.completions.create({ model: "tiny", messages: HELLO, temperature: 0, ...fields });
  const stream = async (fields: Partial<OpenAI.Chat.ChatCompletionCreateParamsStreaming> = {}) => {
    const events = await server.openai.chat.completions.create({ model: "tiny", messages: HELLO, temperature: 0, ...fields, stream: true });
    return await Array.fromAsync(events);
  };

  test("the greedy answer is exactly the sentence that the model knows", async () => {
    const { choices, model, object } = await complete();
    expect(choices).toHaveLength(1);
    expect(choices[0]?.message).toMatchObject({ role: "assistant", content: TINY_SENTENCE });
    expect(choices[0]?.finish_reason).toBe("stop");
    expect({ model, object }).toEqual({ model: "tiny", object: "chat.completion" });
  });

  test("usage counts the tokens of prompt and answer", async () => {
    const { usage } = await complete();
    expect(usage?.prompt_tokens).toBeGreaterThan(2);
    expect(usage?.completion_tokens).toBeGreaterThan(10);
    expect(usage?.total_tokens).toBe(usage!.prompt_tokens + usage!.completion_tokens);
  });

  test("a stream brings the role first, then the sentence in pieces, then the finish reason", async () => {
    const chunks = await stream();
    expect(chunks.map(({ object }) => object)).toEqual(chunks.map(() => "chat.completion.chunk"));
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    expect(chunks[0]?.choices[0]?.delta.role).toBe("assistant");
    const pieces = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "");
    expect(pieces.join("")).toBe(TINY_SENTENCE);
    expect(pieces.filter((piece) => piece !== "").length).toBeGreaterThan(5);
    expect(chunks.map((chunk) => chunk.choices[0]?.finish_reason ?? null)).toEqual([...chunks.slice(1).map(() => null), "stop"]);
  });

  test("a stream is server-sent events that end with [DONE]", async () => {
    const response = await server.post("/v1/chat/completions", { model: "tiny", messages: HELLO, stream: true });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toStartWith("text/event-stream");
    const events = (await response.text()).split("\n\n");
    expect(events.slice(-2)).toEqual(["data: [DONE]", ""]);
    for (const event of events.slice(0, -2)) {
      expect(event).toStartWith("data: {");
      expect(JSON.parse(event.slice("data: ".length))).toHaveProperty("choices");
    }
  });

  test("a stream ends with usage only when it is asked for", async () => {
    const withUsage = await stream({ stream_options: { include_usage: true } });
    const last = withUsage.at(-1);
    expect(last?.choices).toEqual([]);
    expect(last?.usage?.total_tokens).toBe(last!.usage!.prompt_tokens + last!.usage!.completion_tokens);
    expect((await stream()).filter(({ usage }) => usage !== undefined && usage !== null)).toEqual([]);
  });

  test("the answer ends before a stop word", async () => {
    const { choices } = await complete({ stop: " built" });
    expect(choices[0]?.message.content).toBe(TINY_SENTENCE.slice(0, TINY_SENTENCE.indexOf(" built")));
    expect(choices[0]?.finish_reason).toBe("stop");
  });

  test("no part of a stop word that spans tokens reaches a stream", async () => {
    const chunks = await stream({ stop: ["am tiny, the mod", "never said"] });
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe("Hello! I ");
  });

  test.each(["max_tokens", "max_completion_tokens"] as const)("%s limits the answer", async (name) => {
    const { choices, usage } = await complete({ [name]: 3 });
    expect(usage?.completion_tokens).toBe(3);
    expect(choices[0]?.finish_reason).toBe("length");
    expect(TINY_SENTENCE).toStartWith(choices[0]?.message.content ?? "nothing");
  });

  test("the same seed throws the same dice, another one others", async () => {
    const throwDice = async (seed: number) => {
      const messages = [{ role: "user" as const, content: "Throw the dice" }];
      return (await complete({ messages, seed, temperature: 1, max_tokens: 40 })).choices[0]?.message.content;
    };
    const first = await throwDice(7);
    expect(first).toMatch(/^(One|Two|Three|Four|Five|Six)( (one|two|three|four|five|six)){39}$/);
    expect(await throwDice(7)).toBe(first);
    expect(await throwDice(8)).not.toBe(first);
  });

  test("a required tool is called with arguments that fit its schema", async () => {
    const { choices } = await complete({ tools: [WEATHER], tool_choice: "required" });
    const [call] = choices[0]?.message.tool_calls ?? [];
    expect(choices[0]?.finish_reason).toBe("tool_calls");
    if (call?.type !== "function") throw new Error("There is no call of a function");
    expect(call.id).not.toBe("");
    expect(call.function.name).toBe("get_weather");
    expect(JSON.parse(call.function.arguments)).toEqual({ town: expect.any(String) });
  });

  test("a streamed tool call is put together from its pieces", async () => {
    const chunks = await stream({ tools: [WEATHER], tool_choice: "required" });
    const pieces = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
    expect(pieces[0]?.function?.name).toBe("get_weather");
    expect(JSON.parse(pieces.map((piece) => piece.function?.arguments ?? "").join(""))).toEqual({ town: expect.any(String) });
    expect(chunks.findLast((chunk) => chunk.choices[0]?.finish_reason)?.choices[0]?.finish_reason).toBe("tool_calls");
  });

  test("a model that is free to call a tool does when it is asked to, and reads the result", async () => {
    const question = { role: "user" as const, content: "Please use a tool" };
    const { choices } = await complete({ messages: [question], tools: [WEATHER] });
    const message = choices[0]!.message;
    expect(message.tool_calls?.[0]).toMatchObject({ type: "function", function: { name: "get_weather" } });
    const result = { role: "tool" as const, tool_call_id: message.tool_calls![0]!.id, content: "sunny" };
    const after = await complete({ messages: [question, message, result], tools: [WEATHER] });
    expect(after.choices[0]?.message.content).toBe(TINY_SENTENCE);
  });

  test("a JSON schema shapes the answer", async () => {
    const format = { type: "json_schema" as const, json_schema: { name: "person", schema: PERSON, strict: true } };
    const { choices } = await complete({ response_format: format });
    const person = JSON.parse(choices[0]?.message.content ?? "") as Record<string, unknown>;
    expect(person).toEqual({ name: expect.any(String), age: expect.any(Number), isMember: expect.any(Boolean) });
    expect(person["age"]).toBeWithin(1, 10);
  });

  test("a JSON object is what it says", async () => {
    const { choices } = await complete({ response_format: { type: "json_object" } });
    expect(JSON.parse(choices[0]?.message.content ?? "")).toBeObject();
  });

  test("thoughts come apart from the answer", async () => {
    const { choices } = await complete({ model: "reasoning" });
    expect(choices[0]?.message).toMatchObject({ content: TINY_SENTENCE, reasoning_content: TINY_THOUGHT });
  });

  test.each([{ enable_thinking: false }, { chat_template_kwargs: { enable_thinking: false } }])(
    "%j keeps a model from thinking",
    async (wish) => {
      const silent = await complete({ model: "reasoning", ...wish });
      expect(silent.choices[0]?.message.content).toBe(TINY_SENTENCE);
      expect(silent.choices[0]?.message).not.toHaveProperty("reasoning_content", TINY_THOUGHT);
    },
  );

  test("a wish to think that is no switch is refused by name", async () => {
    const response = await server.post("/v1/chat/completions", { model: "reasoning", messages: HELLO, enable_thinking: "no" });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ detail: expect.stringContaining("enable_thinking") });
  });

  test("a model that never stops is stopped by its limit", async () => {
    const { choices, usage } = await complete({ model: "endless", max_tokens: 100 });
    expect(usage?.completion_tokens).toBe(100);
    expect(choices[0]?.message.content).toStartWith(`${TINY_SENTENCE} ${TINY_SENTENCE}`);
  });

  test("text of any script comes back whole", async () => {
    const question = [...HELLO, { role: "assistant" as const, content: "¡Olé! 你好 🍋" }, ...HELLO];
    expect((await complete({ messages: question })).choices[0]?.message.content).toBe(TINY_SENTENCE);
  });
});
