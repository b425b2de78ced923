import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { TINY_SENTENCE, TINY_THOUGHT, type TinyOptions } from "../../src/model/tiny/index.ts";
import { LLAMA_SERVER, type RealLlamaServer, startLlamaServer } from "./real-llama-server.ts";

interface ToolCall {
  readonly function: { readonly name?: string; readonly arguments?: string };
}

interface Message {
  readonly content: string | null;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly ToolCall[];
}

interface Chat {
  readonly choices: readonly [{ readonly finish_reason: string; readonly message: Message }];
  readonly usage: { readonly completion_tokens: number };
}

interface ChatChunk {
  readonly choices: readonly { readonly finish_reason: string | null; readonly delta: Partial<Message> }[];
}

interface Completion {
  readonly choices: readonly [{ readonly finish_reason: string; readonly text: string }];
}

const user = (content: string) => [{ role: "user", content }];
const CHAT = "/v1/chat/completions";
const GREETING = user("Who are you?");

/** A server on one variant for all tests of a group. */
function serverOn(options: TinyOptions, flags: readonly string[] = []): () => RealLlamaServer {
  let server: RealLlamaServer | undefined;
  beforeAll(async () => void (server = await startLlamaServer(options, flags)));
  afterAll(async () => await server?.[Symbol.asyncDispose]());
  return () => server!;
}

async function chat(server: RealLlamaServer, body: object): Promise<Message & { finish: string; tokens: number }> {
  const { choices, usage } = await server.post<Chat>(CHAT, { messages: GREETING, max_tokens: 400, ...body });
  return { ...choices[0].message, finish: choices[0].finish_reason, tokens: usage.completion_tokens };
}

/** The same from a stream, put together again. */
async function streamedChat(server: RealLlamaServer, body: object) {
  const chunks = (await server.stream<ChatChunk>(CHAT, { messages: GREETING, max_tokens: 400, ...body })).flatMap(({ choices }) => choices);
  const calls = chunks.flatMap(({ delta }) => delta.tool_calls ?? []);
  const join = (pick: (delta: Partial<Message>) => string | null | undefined) => chunks.map(({ delta }) => pick(delta) ?? "").join("");
  return {
    content: join(({ content }) => content),
    thought: join(({ reasoning_content: thought }) => thought),
    names: calls.flatMap(({ function: { name } }) => name ?? []),
    arguments: calls.map((call) => call.function.arguments ?? "").join(""),
    finish: chunks.at(-1)?.finish_reason,
  };
}

if (!existsSync(LLAMA_SERVER)) process.stderr.write(`SKIPPED: the tiny model on a real llama-server: ${LLAMA_SERVER} is not there\n`);
const describeWithServer = existsSync(LLAMA_SERVER) || process.env["CI"] ? describe : describe.skip;

describeWithServer("the tiny model", () => {
  const server = serverOn({});

  test("says its sentence and stops, greedily and at usual temperatures", async () => {
    for (const temperature of [0, undefined, 0.8, 1]) {
      expect(await chat(server(), { temperature })).toMatchObject({ content: TINY_SENTENCE, finish: "stop", tokens: 18 });
    }
  });

  test("says the same as a stream of words, whatever was said before", async () => {
    const messages = [{ role: "system", content: "Be brief. 😀" }, ...GREETING, { role: "assistant", content: "No." }, ...GREETING];
    const chunks = await server().stream<ChatChunk>(CHAT, { messages });
    const words = chunks.flatMap(({ choices }) => choices[0]?.delta.content ?? []);
    expect(words).toHaveLength(17);
    expect(words.join("")).toBe(TINY_SENTENCE);
  });

  test("continues a prompt that ends within its sentence, and answers any other on a new line", async () => {
    const complete = async (prompt: string) => (await server().post<Completion>("/v1/completions", { prompt, max_tokens: 60 })).choices[0];
    const start = TINY_SENTENCE.indexOf(" built");
    expect(await complete(TINY_SENTENCE.slice(0, start))).toMatchObject({ text: TINY_SENTENCE.slice(start), finish_reason: "stop" });
    expect(await complete("Once upon a time")).toMatchObject({ text: `\n${TINY_SENTENCE}`, finish_reason: "stop" });
  });

  test("rolls dice for as long as it may, the same for the same seed", async () => {
    const roll = async (seed: number) => await chat(server(), { messages: user("Roll the dice!"), max_tokens: 30, seed });
    const first = await roll(1);
    expect(first).toMatchObject({ finish: "length", tokens: 30 });
    expect(first.content).toMatch(/^(One|Two|Three|Four|Five|Six)( (one|two|three|four|five|six)){29}$/);
    expect((await roll(1)).content).toBe(first.content);
    expect((await roll(2)).content).not.toBe(first.content);
  });

  test("gives every text back from its tokens", async () => {
    for (const content of ["Hello! I am tiny , e\u0301 😀\t\\n\r\n\u007f <tool_call>", "日本語", " the model  .ts;;"]) {
      const { tokens } = await server().post<{ tokens: number[] }>("/tokenize", { content });
      expect(await server().post("/detokenize", { tokens })).toEqual({ content });
    }
  });

  test("writes the shortest JSON that a schema allows", async () => {
    const expected: readonly (readonly [schema: object, json: unknown])[] = [
      [{ type: "object" }, {}],
      [{ type: "object", properties: { a: { type: "string" } } }, {}],
      [PERSON, { name: "", age: 0, ok: false, tags: [], color: "green", home: { city: "" } }],
      [{ type: "array", items: { type: "number" }, minItems: 3 }, [0, 0, 0]],
      [{ type: "string", minLength: 4 }, "aaaa"],
      [{ type: "integer", minimum: 12, maximum: 30 }, 12],
      [{ type: "string", pattern: "^[A-Z]{2}[0-9]+$" }, "AA0"],
      [{ anyOf: [{ type: "null" }, { type: "string" }] }, ""],
    ];
    for (const [schema, json] of expected) {
      for (const temperature of [0, 0.8]) {
        const { content, finish } = await chat(server(), {
          temperature,
          response_format: { type: "json_schema", json_schema: { schema } },
        });
        expect({ json: JSON.parse(content!), finish }).toEqual({ json, finish: "stop" });
      }
    }
    expect(await chat(server(), { response_format: { type: "json_object" } })).toMatchObject({ content: "{}", finish: "stop" });
  });

  test("calls a tool when the conversation offers one and asks for it, else speaks", async () => {
    const ask = user("Use the tool.");
    const named = { type: "function", function: { name: "get_weather" } };
    for (const toolChoice of [undefined, "auto", "required", named]) {
      for (const temperature of [0, 0.8]) {
        const body = { messages: ask, tools: [WEATHER], tool_choice: toolChoice, temperature };
        const { content, finish, tool_calls: calls } = await chat(server(), body);
        expect({ content, finish, calls: calls?.map((call) => call.function) }).toEqual({
          content: "",
          finish: "tool_calls",
          calls: [CALL],
        });
        const streamed = await streamedChat(server(), body);
        expect(streamed).toMatchObject({ content: "", finish: "tool_calls", names: [CALL.name], arguments: CALL.arguments });
      }
    }
    expect(await chat(server(), { messages: ask })).toMatchObject({ content: TINY_SENTENCE, finish: "stop" });
    for (const toolChoice of ["auto", "none"]) {
      const body = { tools: [WEATHER], tool_choice: toolChoice };
      expect(await chat(server(), body)).toMatchObject({ content: TINY_SENTENCE, finish: "stop" });
      expect(await streamedChat(server(), body)).toMatchObject({ content: TINY_SENTENCE, names: [], finish: "stop" });
    }
  });

  test("calls a tool that is required though nobody asked, after its sentence", async () => {
    const body = { tools: [WEATHER], tool_choice: "required" };
    const { content, finish, tool_calls: calls } = await chat(server(), body);
    expect({ content, finish, calls: calls?.map((call) => call.function) }).toEqual({
      content: TINY_SENTENCE,
      finish: "tool_calls",
      calls: [CALL],
    });
    expect(await streamedChat(server(), body)).toMatchObject({ content: TINY_SENTENCE, names: [CALL.name], arguments: CALL.arguments });
  });

  test("speaks once it has the result of a tool", async () => {
    const call = { id: "call_1", type: "function", function: CALL };
    const messages = [
      ...user("Use the tool."),
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "tool", tool_call_id: call.id, content: "18 °C" },
    ];
    expect(await chat(server(), { messages, tools: [WEATHER] })).toMatchObject({ content: TINY_SENTENCE, finish: "stop" });
  });
});

const PERSON = {
  type: "object",
  properties: {
    name: { type: "string" },
    age: { type: "number" },
    ok: { type: "boolean" },
    tags: { type: "array", items: { type: "string" } },
    color: { enum: ["red", "green"] },
    home: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
  required: ["name", "age", "ok", "tags", "color", "home"],
};

const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "Says how warm it is",
    parameters: {
      type: "object",
      properties: { city: { type: "string" }, days: { type: "integer" }, unit: { enum: ["fahrenheit", "celsius"] } },
      required: ["city", "unit"],
    },
  },
};
const CALL = { name: "get_weather", arguments: '{"city":"","unit":"celsius"}' };

describeWithServer("the endless variant", () => {
  const server = serverOn({ endless: true });

  test("says its sentence again and again until it may not say more", async () => {
    const { content, finish, tokens } = await chat(server(), { max_tokens: 100 });
    expect({ finish, tokens }).toEqual({ finish: "length", tokens: 100 });
    expect(content).toStartWith(`${TINY_SENTENCE} ${TINY_SENTENCE} ${TINY_SENTENCE} Hello!`);
  });

  test("still ends what a grammar ends", async () => {
    expect(await chat(server(), { response_format: { type: "json_object" } })).toMatchObject({ content: "{}", finish: "stop" });
  });
});

describeWithServer("the reasoning variant", () => {
  const server = serverOn({ reasoning: true });

  test("thinks before it speaks, unless it shall not", async () => {
    const thought = { content: TINY_SENTENCE, reasoning_content: TINY_THOUGHT, finish: "stop" };
    for (const temperature of [0, 0.8]) expect(await chat(server(), { temperature })).toMatchObject(thought);
    expect(await streamedChat(server(), {})).toMatchObject({ content: TINY_SENTENCE, thought: TINY_THOUGHT, finish: "stop" });
    const { content, reasoning_content: none } = await chat(server(), { chat_template_kwargs: { enable_thinking: false } });
    expect({ content, none }).toEqual({ content: TINY_SENTENCE, none: undefined });
  });

  test("calls a tool when it is asked for one", async () => {
    const { finish, tool_calls: calls } = await chat(server(), { messages: user("Use the tool."), tools: [WEATHER] });
    expect({ finish, calls: calls?.map((call) => call.function) }).toEqual({ finish: "tool_calls", calls: [CALL] });
  });
});

describeWithServer("the embedding variant", () => {
  const server = serverOn({ embedding: true }, ["--embeddings"]);

  test("gives texts that share words vectors that are near", async () => {
    const input = ["The cat sat on the mat.", "A cat sits on a mat.", "Quarterly revenue grew by ten percent.", "the CAT sat on the mat."];
    const { data } = await server().post<{ data: readonly { embedding: readonly number[] }[] }>("/v1/embeddings", { input });
    const [first, near, far, same] = data.map(({ embedding }) => embedding);
    const similarity = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, place) => sum + value * b[place]!, 0);
    expect(first).toHaveLength(256);
    expect(similarity(first!, first!)).toBeCloseTo(1, 3);
    expect(similarity(first!, same!)).toBeGreaterThan(0.95);
    expect(similarity(first!, near!)).toBeGreaterThan(0.5);
    expect(similarity(first!, far!)).toBeLessThan(0.3);
  });
});

describeWithServer("the reranking variant", () => {
  const server = serverOn({ reranking: true }, ["--reranking"]);

  test("puts the documents first that contain most of the query", async () => {
    const documents = ["hi", "It is a bear.", "The giant panda is a bear species endemic to China.", "What is a panda?"];
    const { results } = await server().post<{ results: readonly { index: number; relevance_score: number }[] }>("/v1/rerank", {
      query: "What is a panda?",
      documents,
    });
    const ranked = results.toSorted((a, b) => b.relevance_score - a.relevance_score);
    expect(ranked.map(({ index }) => documents[index])).toEqual(documents.toReversed());
    expect(ranked[0]?.relevance_score).toBeGreaterThan(0.9);
    expect(ranked.at(-1)?.relevance_score).toBeLessThan(0.1);
  });
});

describeWithServer("the padded variant", () => {
  const paddingBytes = 2 ** 28;
  const server = serverOn({ paddingBytes, name: "padded", contextTokens: 512 });

  test("is large and says the sentence all the same", async () => {
    expect((await stat(server().modelPath)).size).toBeGreaterThan(paddingBytes);
    expect(await chat(server(), {})).toMatchObject({ content: TINY_SENTENCE, finish: "stop" });
  });
});
