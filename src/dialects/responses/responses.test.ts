import { expect, test } from "bun:test";
import { completeEventsLength } from "../sse.ts";
import { SseDecoder } from "../sse-decoder.ts";
import { chatRequestOf } from "./chat-request.ts";
import { responsesThroughChat } from "./through-chat.ts";

test("instructions and items become messages, and an answer's thought, text and calls one of them", () => {
  const request = chatRequestOf({
    model: "m",
    instructions: "Be brief",
    input: [
      { role: "user", content: "hi" },
      { type: "reasoning", summary: [], content: [{ type: "reasoning_text", text: "They greet" }] },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "Hello" }] },
      { type: "function_call", call_id: "c1", name: "f", arguments: "{}" },
      { type: "function_call", call_id: "c2", name: "g", arguments: "{}" },
      { type: "function_call_output", call_id: "c1", output: "1" },
      { type: "message", role: "user", content: [{ type: "input_image", image_url: "data:," }] },
    ],
    max_output_tokens: 9,
    top_k: 3,
    store: true,
    stream: true,
  });
  expect(request).toEqual({
    model: "m",
    messages: [
      { role: "system", content: "Be brief" },
      { role: "user", content: "hi" },
      {
        role: "assistant",
        reasoning_content: "They greet",
        content: [{ type: "text", text: "Hello" }],
        tool_calls: [
          { id: "c1", type: "function", function: { name: "f", arguments: "{}" } },
          { id: "c2", type: "function", function: { name: "g", arguments: "{}" } },
        ],
      },
      { role: "tool", content: "1", tool_call_id: "c1" },
      { role: "user", content: [{ type: "image_url", image_url: { url: "data:," } }] },
    ],
    max_tokens: 9,
    top_k: 3,
    stream: true,
    stream_options: { include_usage: true },
  });
});

test("tools, the choice of one, a schema and the effort are put where a chat has them", () => {
  const parameters = { type: "object" };
  const request = chatRequestOf({
    input: "hi",
    tools: [{ type: "function", name: "f", parameters }, { type: "web_search" }],
    tool_choice: { type: "function", name: "f" },
    text: { format: { type: "json_schema", name: "s", schema: parameters } },
    reasoning: { effort: "low" },
  });
  expect(request).toEqual({
    messages: [{ role: "user", content: "hi" }],
    tools: [{ type: "function", function: { name: "f", parameters } }],
    tool_choice: { type: "function", function: { name: "f" } },
    response_format: { type: "json_schema", json_schema: { name: "s", schema: parameters } },
    reasoning_effort: "low",
  });
});

test.each([
  [{ input: "hi", previous_response_id: "resp_1" }, "previous_response_id"],
  [{ input: [{ type: "item_reference", id: "x" }] }, "item_reference"],
  [{ input: [{ role: "user", content: [{ type: "input_file" }] }] }, "input_file"],
  [{ input: [7] }, "no object"],
])("what no chat can hold is refused with its name: %j", (fields, name) => {
  expect(() => chatRequestOf(fields)).toThrow(expect.objectContaining({ code: "INVALID_REQUEST", message: expect.stringContaining(name) }));
});

const chunk = (delta: object, more: object = {}) =>
  `data: ${JSON.stringify({ id: "chatcmpl-1", created: 5, model: "m", choices: [{ index: 0, delta, finish_reason: null, ...more }] })}\n\n`;
const USAGE = { prompt_tokens: 3, completion_tokens: 4, prompt_tokens_details: { cached_tokens: 2 } };
const STREAM = [
  chunk({ role: "assistant", content: null }),
  chunk({ reasoning_content: "Hm" }),
  chunk({ content: "Grüß " }),
  chunk({ content: "dich 🍋" }),
  chunk({ tool_calls: [{ index: 0, id: "a", type: "function", function: { name: "f", arguments: "{" } }] }),
  chunk({ tool_calls: [{ index: 0, function: { arguments: "}" } }] }),
  chunk({}, { finish_reason: "tool_calls" }),
  `data: ${JSON.stringify({ id: "chatcmpl-1", choices: [], usage: USAGE, timings: { prompt_n: 1 } })}\n\n`,
  "data: [DONE]\n\n",
].join("");

interface Event {
  readonly type: string;
  readonly sequence_number: number;
  readonly [name: string]: unknown;
}

function read(text: string): Event[] {
  return new SseDecoder().push(new TextEncoder().encode(text)).map(({ event, data }) => {
    const parsed = JSON.parse(data) as Event;
    expect(parsed.type).toBe(event);
    return parsed;
  });
}

test("a chat's stream becomes the events of a response, item by item, numbered", () => {
  const events = read(responsesThroughChat().events(STREAM));
  expect(events.map(({ type }) => type.replace("response.", ""))).toEqual([
    "created",
    "in_progress",
    "output_item.added",
    "reasoning_text.delta",
    "reasoning_text.done",
    "output_item.done",
    "output_item.added",
    "content_part.added",
    "output_text.delta",
    "output_text.delta",
    "output_text.done",
    "content_part.done",
    "output_item.done",
    "output_item.added",
    "function_call_arguments.delta",
    "function_call_arguments.delta",
    "function_call_arguments.done",
    "output_item.done",
    "completed",
  ]);
  expect(events.map((event) => event.sequence_number)).toEqual(events.keys().toArray());
  expect(events.at(-1)).toMatchObject({
    timings: { prompt_n: 1 },
    response: {
      id: "resp_1",
      status: "completed",
      output: [
        { type: "reasoning", content: [{ text: "Hm" }] },
        { type: "message", content: [{ type: "output_text", text: "Grüß dich 🍋" }] },
        { type: "function_call", call_id: "a", name: "f", arguments: "{}" },
      ],
      usage: { input_tokens: 3, output_tokens: 4, total_tokens: 7, input_tokens_details: { cached_tokens: 2 } },
    },
  });
});

test("the events are the same wherever the chat's stream is cut", () => {
  const bytes = new TextEncoder().encode(STREAM);
  const whole = responsesThroughChat().events(STREAM);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const { events } = responsesThroughChat();
    // What the relay does: only whole events are handed over.
    const complete = completeEventsLength(bytes.subarray(0, cut));
    const text = (part: Uint8Array) => new TextDecoder().decode(part);
    expect(events(text(bytes.subarray(0, complete))) + events(text(bytes.subarray(complete)))).toBe(whole);
  }
});

test("an error in the middle of a chat stays one, and nothing claims to be completed", () => {
  const { events } = responsesThroughChat();
  const text = events(chunk({ content: "Hi" }) + 'data: {"error":{"message":"broken"}}\n\n');
  expect(text).toEndWith('data: {"error":{"message":"broken"}}\n\n');
  expect(text).not.toContain("response.completed");
});

test("an answer in one piece says when the limit of tokens cut it", () => {
  const answer = { id: "chatcmpl-1", created: 5, model: "m", usage: USAGE };
  const whole = (choice: object) => JSON.parse(responsesThroughChat().whole(JSON.stringify({ ...answer, choices: [choice] }))) as unknown;
  expect(whole({ message: { content: "Hi" }, finish_reason: "length" })).toMatchObject({
    object: "response",
    output: [{ id: "msg_1", content: [{ text: "Hi" }] }],
    incomplete_details: { reason: "max_output_tokens" },
  });
  expect(whole({ message: { content: "Hi" }, finish_reason: "stop" })).toMatchObject({ incomplete_details: null });
});
