import { expect } from "bun:test";
import { TINY_SENTENCE } from "../../src/model/tiny/index.ts";
import type { Call, ClientError, Result } from "./result.ts";

/** One thing that clients rely on: a call, and what must come of it whatever the client and whatever the engine. */
export interface Case {
  readonly name: string;
  readonly call: Call;
  readonly check: (result: Result) => void;
}

const messages = [{ role: "user", content: "hi" }];
const chat = { model: "tiny", messages, temperature: 0 };
const response = { model: "tiny", input: "hi", temperature: 0 };

const parameters = { type: "object", properties: { town: { type: "string" } }, required: ["town"] };
const description = "The weather of a town";
const tools = [{ type: "function", function: { name: "get_weather", description, parameters } }];

const schema = {
  type: "object",
  properties: { age: { type: "integer", minimum: 1, maximum: 9 }, isMember: { type: "boolean" } },
  required: ["age", "isMember"],
  additionalProperties: false,
};

interface ChatChunk {
  readonly choices: readonly { readonly delta: { readonly content?: string | null; readonly tool_calls?: readonly ToolCall[] | null } }[];
}
interface ToolCall {
  readonly function: { readonly name?: string; readonly arguments?: string };
}
interface Completion {
  readonly choices: readonly {
    readonly message: { readonly content: string; readonly tool_calls: readonly ToolCall[] };
    readonly text: string;
  }[];
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number; readonly total_tokens: number };
}
interface Event {
  readonly type: string;
  readonly delta?: string;
  readonly response?: { readonly output: readonly Record<string, unknown>[]; readonly usage: Record<string, unknown> };
}

const completion = ({ value }: Result) => value as Completion;
const chunks = ({ events }: Result) => events as readonly ChatChunk[];
const eventsOf = ({ events }: Result) => events as readonly Event[];
const spoken = (events: readonly ChatChunk[]) => events.map((event) => event.choices[0]?.delta.content ?? "").join("");
const deltas = (events: readonly Event[], type: string) =>
  events
    .filter((event) => event.type === type)
    .map(({ delta }) => delta)
    .join("");

function expectPerson(text: string): void {
  expect(JSON.parse(text)).toEqual({ age: expect.any(Number), isMember: expect.any(Boolean) });
}

function refused(error: Omit<ClientError, "message" | "code" | "type"> & { readonly code?: string }): (result: Result) => void {
  return (result) => {
    expect(result.error).toMatchObject(error);
    expect(result.error?.message).not.toBe("");
  };
}

const CHAT: readonly Case[] = [
  {
    name: "a chat is answered, with usage",
    call: { method: "chat.completions.create", body: chat },
    check(result) {
      expect(result.value).toMatchObject({ object: "chat.completion", model: "tiny", choices: [{ finish_reason: "stop" }] });
      const { choices, usage } = completion(result);
      expect(choices[0]?.message.content).toBe(TINY_SENTENCE);
      expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens);
    },
  },
  {
    name: "a chat is streamed, with usage at the end",
    call: { method: "chat.completions.create", body: { ...chat, stream: true, stream_options: { include_usage: true } } },
    check(result) {
      expect(spoken(chunks(result))).toBe(TINY_SENTENCE);
      expect(result.events?.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: expect.any(Number) } });
    },
  },
  {
    name: "a tool is called",
    call: { method: "chat.completions.create", body: { ...chat, tools, tool_choice: "required" } },
    check(result) {
      const [call] = completion(result).choices[0]?.message.tool_calls ?? [];
      expect(call?.function.name).toBe("get_weather");
      expect(JSON.parse(call?.function.arguments ?? "")).toEqual({ town: expect.any(String) });
    },
  },
  {
    name: "a tool call is streamed in pieces",
    call: { method: "chat.completions.create", body: { ...chat, tools, tool_choice: "required", stream: true } },
    check(result) {
      const pieces = chunks(result).flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
      expect(pieces[0]?.function.name).toBe("get_weather");
      expect(JSON.parse(pieces.map((piece) => piece.function.arguments ?? "").join(""))).toEqual({ town: expect.any(String) });
    },
  },
  {
    name: "a schema shapes the answer",
    call: {
      method: "chat.completions.create",
      body: { ...chat, response_format: { type: "json_schema", json_schema: { name: "person", schema, strict: true } } },
    },
    check: (result) => expectPerson(completion(result).choices[0]?.message.content ?? ""),
  },
  {
    name: "the limit of tokens ends an answer, and fields that the client does not know reach the engine",
    call: { method: "chat.completions.create", body: { ...chat, max_completion_tokens: 3 }, extra: { timings_per_token: true } },
    check: (result) => expect(result.value).toMatchObject({ choices: [{ finish_reason: "length" }], usage: { completion_tokens: 3 } }),
  },
];

const OTHERS: readonly Case[] = [
  {
    name: "a text is continued",
    call: { method: "completions.create", body: { model: "tiny", prompt: "Hello", temperature: 0, max_tokens: 5 } },
    check(result) {
      expect(result.value).toMatchObject({ object: "text_completion", usage: { completion_tokens: 5 } });
      expect(completion(result).choices[0]?.text).not.toBe("");
    },
  },
  {
    name: "a continued text repeats its prompt with echo, also in a stream",
    call: {
      method: "completions.create",
      body: { model: "tiny", prompt: "Hello", temperature: 0, max_tokens: 5, echo: true, stream: true },
    },
    check: ({ events }) => expect((events as Completion[]).map(({ choices }) => choices[0]?.text ?? "").join("")).toStartWith("Hello"),
  },
  {
    name: "texts become vectors, which the client decodes",
    call: { method: "embeddings.create", body: { model: "tiny-embedding", input: ["a lemon", "a tree"] } },
    check(result) {
      const { data } = result.value as { data: { embedding: number[] }[] };
      expect(data).toHaveLength(2);
      for (const { embedding } of data) {
        expect(embedding.length).toBeGreaterThan(1);
        expect(Math.hypot(...embedding)).toBeCloseTo(1, 3);
      }
    },
  },
  {
    name: "models are listed",
    call: { method: "models.list" },
    check: ({ value }) =>
      expect((value as { data: { id: string; object: string }[] }).data).toContainEqual(
        expect.objectContaining({ id: "tiny", object: "model" }),
      ),
  },
  {
    name: "one model is described",
    call: { method: "models.retrieve", args: ["tiny"] },
    check: ({ value }) => expect(value).toMatchObject({ id: "tiny", object: "model", owned_by: "lemonade" }),
  },
];

const RESPONSES: readonly Case[] = [
  {
    name: "a response is made",
    call: { method: "responses.create", body: { ...response, instructions: "Be brief" } },
    check({ value }) {
      expect(value).toMatchObject({ object: "response", status: "completed", model: "tiny", output_text: TINY_SENTENCE });
      expect(value).toMatchObject({ output: [{ type: "message", role: "assistant" }], usage: { output_tokens: expect.any(Number) } });
    },
  },
  {
    name: "a response is streamed: it begins, grows and is completed",
    call: { method: "responses.create", body: { ...response, stream: true } },
    check(result) {
      const events = eventsOf(result);
      expect(events.slice(0, 2).map(({ type }) => type)).toEqual(["response.created", "response.in_progress"]);
      expect(deltas(events, "response.output_text.delta")).toBe(TINY_SENTENCE);
      expect(events.slice(-3).map(({ type }) => type)).toEqual([
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
      ]);
      expect(events.at(-1)?.response?.usage).toMatchObject({ input_tokens: expect.any(Number) });
    },
  },
  {
    name: "a response calls a tool, streamed",
    call: {
      method: "responses.create",
      body: {
        ...response,
        tools: [{ type: "function", name: "get_weather", description, parameters, strict: true }],
        tool_choice: "required",
        stream: true,
      },
    },
    check(result) {
      const events = eventsOf(result);
      const item = events.at(-1)?.response?.output.find(({ type }) => type === "function_call");
      expect(item).toMatchObject({ name: "get_weather", call_id: expect.any(String) });
      expect(deltas(events, "response.function_call_arguments.delta")).toBe(item?.["arguments"] as string);
      expect(JSON.parse(item?.["arguments"] as string)).toEqual({ town: expect.any(String) });
    },
  },
  {
    name: "a response goes on from items",
    call: {
      method: "responses.create",
      body: {
        ...response,
        input: [
          { role: "user", content: [{ type: "input_text", text: "hi" }] },
          {
            type: "message",
            role: "assistant",
            id: "msg_1",
            status: "completed",
            content: [{ type: "output_text", text: "Hello!", annotations: [] }],
          },
          { role: "user", content: "hi" },
        ],
        max_output_tokens: 3,
      },
    },
    check: ({ value }) => expect(value).toMatchObject({ output: [{ type: "message" }], usage: { output_tokens: 3 } }),
  },
  {
    name: "responses are not stored",
    call: { method: "responses.create", body: { ...response, previous_response_id: "resp_1" } },
    check: refused({ class: "BadRequestError", status: 400 }),
  },
];

const ERRORS: readonly Case[] = [
  {
    name: "a model that does not exist is not found",
    call: { method: "chat.completions.create", body: { ...chat, model: "nobody" } },
    check: refused({ class: "NotFoundError", status: 404, code: "model_not_found" }),
  },
  {
    name: "a model that does not exist is not found when a stream is asked for",
    call: { method: "chat.completions.create", body: { ...chat, model: "nobody", stream: true } },
    check: refused({ class: "NotFoundError", status: 404, code: "model_not_found" }),
  },
  {
    name: "messages that are none are a bad request",
    call: { method: "chat.completions.create", body: { ...chat, messages: "hi" } },
    check: refused({ class: "BadRequestError", status: 400, code: "invalid_request" }),
  },
  {
    name: "a chat with a model for embeddings cannot be processed",
    call: { method: "chat.completions.create", body: { ...chat, model: "tiny-embedding" } },
    check: refused({ class: "UnprocessableEntityError", status: 422, code: "wrong_model_kind" }),
  },
  {
    name: "a wrong key is no key",
    call: { method: "chat.completions.create", body: chat, apiKey: "wrong" },
    check: refused({ class: "AuthenticationError", status: 401, code: "unauthorized" }),
  },
];

export const CASES: readonly Case[] = [...CHAT, ...OTHERS, ...RESPONSES, ...ERRORS];

/** On an engine that breaks its stream: the client throws after what has come. */
export const BROKEN_STREAM: Case = {
  name: "a stream that breaks is an error after its events",
  call: { method: "chat.completions.create", body: { ...chat, stream: true } },
  check(result) {
    // A connection that is reset may take the event before with it.
    expect("word0 ").toStartWith(spoken(chunks(result)));
    expect(result.error).toMatchObject({ class: "APIError", code: "upstream_unreachable" });
  },
};
