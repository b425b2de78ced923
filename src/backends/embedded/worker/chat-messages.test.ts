import { expect, test } from "bun:test";
import { messagesOf, normalizeMessages, type TemplateAbilities } from "./chat-messages.ts";

const ABLE: TemplateAbilities = {
  takesText: true,
  takesParts: false,
  takesSystem: true,
  takesDeveloper: false,
  takesTools: true,
  takesToolCalls: true,
  takesParallelCalls: true,
  takesObjectArguments: true,
};

const normalize = (messages: unknown[], abilities: Partial<TemplateAbilities> = {}) =>
  normalizeMessages(messagesOf({ messages }), { ...ABLE, ...abilities });

test("text parts become lines of text where a template takes only text", () => {
  const parts = [
    { type: "text", text: "a" },
    { type: "text", text: "b" },
  ];
  expect(normalize([{ role: "user", content: parts }])).toEqual([{ role: "user", content: "a\nb" }]);
  expect(normalize([{ role: "user", content: parts }], { takesParts: true })).toEqual([{ role: "user", content: parts }]);
});

test("text becomes a part where a template takes only parts", () => {
  const abilities = { takesText: false, takesParts: true };
  expect(normalize([{ role: "user", content: "a" }], abilities)).toEqual([{ role: "user", content: [{ type: "text", text: "a" }] }]);
});

test("a developer is the system for most templates", () => {
  expect(normalize([{ role: "developer", content: "a" }])).toEqual([{ role: "system", content: "a" }]);
  expect(normalize([{ role: "developer", content: "a" }], { takesDeveloper: true })).toEqual([{ role: "developer", content: "a" }]);
});

test("a system message goes to the head of the next one where a template has none", () => {
  const messages = [
    { role: "system", content: "S" },
    { role: "user", content: "U" },
  ];
  expect(normalize(messages, { takesSystem: false })).toEqual([{ role: "user", content: "S\nU" }]);
});

test("arguments of earlier calls take the form that the template wants", () => {
  const call = (args: unknown) => ({
    role: "assistant",
    content: null,
    tool_calls: [{ id: "x", type: "function", function: { name: "f", arguments: args } }],
  });
  const read = (args: unknown, abilities: Partial<TemplateAbilities>) => normalize([call(args)], abilities)[0];
  expect(read('{"a":1}', {})).toMatchObject({ content: "", tool_calls: [{ function: { arguments: { a: 1 } } }] });
  expect(read({ a: 1 }, { takesObjectArguments: false })).toMatchObject({ tool_calls: [{ function: { arguments: '{"a":1}' } }] });
  expect(() => read("{a", {})).toThrow("Failed to parse tool call arguments as JSON");
});

test("what is not a message is refused with a sentence", () => {
  expect(() => messagesOf({})).toThrow("'messages' is required");
  expect(() => messagesOf({ messages: "x" })).toThrow("Expected 'messages' to be an array");
  expect(() => messagesOf({ messages: [{ role: "user" }] })).toThrow("All non-assistant messages must contain 'content'");
  expect(() => messagesOf({ messages: [{ role: "user", content: [{ type: "image_url" }] }] })).toThrow("image input is not supported");
});
