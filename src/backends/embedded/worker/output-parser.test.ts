import { expect, test } from "bun:test";
import type { OutputDelta } from "./output-delta.ts";
import { OutputParser, type OutputParserOptions } from "./output-parser.ts";
import { messageReply } from "./replies.ts";
import type { CallPart, ToolSyntax } from "./tool-syntax.ts";

const literal = (text: string): CallPart => ({ kind: "literal", text });
const NAME: CallPart = { kind: "name" };
const ARGUMENTS: CallPart = { kind: "arguments" };

const HERMES: ToolSyntax = {
  start: "",
  call: [literal('<tool_call>\n{"name": "'), NAME, literal('", "arguments": '), ARGUMENTS, literal("}\n</tool_call>")],
  separator: "\n",
  end: "",
  argumentsAs: "object",
};
const MISTRAL: ToolSyntax = {
  start: "[TOOL_CALLS][",
  call: [literal('{"name": "'), NAME, literal('", "arguments": '), ARGUMENTS, literal(', "id": "'), { kind: "id" }, literal('"}')],
  separator: ", ",
  end: "]",
  argumentsAs: "object",
};
const LLAMA: ToolSyntax = {
  start: "",
  call: [literal('{"name": "'), NAME, literal('", "parameters": '), ARGUMENTS, literal("}")],
  separator: undefined,
  end: "",
  argumentsAs: "object",
};
const CODER: ToolSyntax = {
  start: "",
  call: [
    literal("<tool_call>\n<function="),
    NAME,
    literal(">\n"),
    {
      kind: "tagged-arguments",
      tags: { beforeName: "<parameter=", beforeValue: ">\n", afterValue: "\n</parameter>", separator: "\n" },
    },
    literal("\n</function>\n</tool_call>"),
  ],
  separator: "\n",
  end: "",
  argumentsAs: "object",
};

function tools(syntax: ToolSyntax, isForced = false): OutputParserOptions["tools"] {
  let ids = 0;
  return {
    syntax,
    isForced,
    names: ["get_weather", "add"],
    newId: () => `id${ids++}`,
    isStringParameter: (_name, parameter) => parameter !== "days",
  };
}

const THINK = { start: "<think>", end: "</think>", isOpen: false };

/** Parses a text cut in two at every place, and one character at a time; the message must not depend on the cut. */
function parseEverywhere(text: string, options: () => OutputParserOptions): ReturnType<typeof messageReply> {
  const cuts = Array.from({ length: text.length + 1 }, (_cut, at) => [text.slice(0, at), text.slice(at)]);
  const messages = [...cuts, Array.from(text)].map((pieces) => messageReply(parse(pieces, options())));
  for (const [at, message] of messages.entries()) expect({ at, message }).toEqual({ at, message: messages[0] ?? message });
  return messages[0] ?? messageReply([]);
}

function parse(pieces: readonly string[], options: OutputParserOptions): OutputDelta[] {
  const parser = new OutputParser(options);
  return [...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()];
}

test("plain text passes unchanged", () => {
  expect(parseEverywhere("  Hello <b>you</b>\n", () => ({}))).toEqual({ role: "assistant", content: "  Hello <b>you</b>\n" });
});

test("a thought is taken out of the content", () => {
  expect(parseEverywhere("<think>\nhm, so\n</think>\n\nYes.", () => ({ reasoning: THINK }))).toEqual({
    role: "assistant",
    content: "Yes.",
    reasoning_content: "hm, so",
  });
});

test("a thought that the prompt has opened needs no start tag", () => {
  expect(parseEverywhere("hm\n</think>Yes.", () => ({ reasoning: { ...THINK, isOpen: true } }))).toEqual({
    role: "assistant",
    content: "Yes.",
    reasoning_content: "hm",
  });
});

test("an answer without a thought is content, also when it begins like a tag", () => {
  expect(parseEverywhere("<thin ice", () => ({ reasoning: THINK })).content).toBe("<thin ice");
  expect(parseEverywhere("a <think> b", () => ({ reasoning: THINK })).content).toBe("a <think> b");
});

test("a thought that is cut off is reasoning, without content", () => {
  expect(parseEverywhere("<think>and so on </thi", () => ({ reasoning: THINK }))).toEqual({
    role: "assistant",
    content: "",
    reasoning_content: "and so on </thi",
  });
});

test("a call in tags is read, and the text before it is content", () => {
  const text = 'Let me see.\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome", "note": "a } \\" {"}}\n</tool_call>';
  expect(parseEverywhere(text, () => ({ tools: tools(HERMES) }))).toEqual({
    role: "assistant",
    content: "Let me see.",
    tool_calls: [{ type: "function", id: "id0", function: { name: "get_weather", arguments: '{"city": "Rome", "note": "a } \\" {"}' } }],
  });
});

test("several calls are read, whatever white space the model puts between them", () => {
  const call = '<tool_call>{"name": "add", "arguments": {}}</tool_call>';
  const message = parseEverywhere(`${call}\n\n${call}${call}\n`, () => ({ tools: tools(HERMES) }));
  expect(message.tool_calls?.map(({ id, function: { name, arguments: args } }) => [id, name, args])).toEqual([
    ["id0", "add", "{}"],
    ["id1", "add", "{}"],
    ["id2", "add", "{}"],
  ]);
  expect(message.content).toBe("");
});

test("calls in a list are read to its end", () => {
  const text =
    '[TOOL_CALLS][{"name": "add", "arguments": {"a": [1, 2]}, "id": "123456789"}, {"name": "get_weather", "arguments": {}, "id": "abc"}]';
  const message = parseEverywhere(text, () => ({ tools: tools(MISTRAL) }));
  expect(message.tool_calls?.map((call) => call.function)).toEqual([
    { name: "add", arguments: '{"a": [1, 2]}' },
    { name: "get_weather", arguments: "{}" },
  ]);
  expect(message.content).toBe("");
});

test("a call without tags is one when it is the whole answer and names a known function", () => {
  const call = '{"name": "get_weather", "parameters": {"city": "Rome"}}';
  const message = parseEverywhere(call, () => ({ tools: tools(LLAMA) }));
  expect(message).toMatchObject({ content: "", tool_calls: [{ function: { name: "get_weather", arguments: '{"city": "Rome"}' } }] });
});

test("JSON that is no call stays content", () => {
  for (const text of ['{"name": "Ada", "age": 36}', '{"names": []}', 'I call {"name": "add", "parameters": {}}']) {
    expect(parseEverywhere(text, () => ({ tools: tools(LLAMA) }))).toEqual({ role: "assistant", content: text });
  }
});

test("arguments between tags become one JSON object", () => {
  const text =
    '<tool_call>\n<function=get_weather>\n<parameter=city>\nRome "the"\nEternal\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>';
  const message = parseEverywhere(text, () => ({ tools: tools(CODER) }));
  expect(message.tool_calls?.map((call) => JSON.parse(call.function.arguments) as unknown)).toEqual([
    { city: 'Rome "the"\nEternal', days: 3 },
  ]);
});

test("a call without arguments between tags has an empty object", () => {
  const message = parseEverywhere("<tool_call>\n<function=add>\n</function>\n</tool_call>", () => ({ tools: tools(CODER) }));
  expect(message.tool_calls?.map((call) => call.function.arguments)).toEqual(["{}"]);
});

test("a call that is cut off keeps what was written of its arguments", () => {
  const message = parseEverywhere('<tool_call>\n{"name": "add", "arguments": {"a": "x', () => ({ tools: tools(HERMES) }));
  expect(message.tool_calls?.map((call) => call.function)).toEqual([{ name: "add", arguments: '{"a": "x' }]);
});

test("a forced call is read from the first character on, also after a thought", () => {
  const text = '<think>which?</think>\n\n<tool_call>\n{"name": "add", "arguments": {}}\n</tool_call>';
  const message = parseEverywhere(text, () => ({ reasoning: THINK, tools: tools(HERMES, true) }));
  expect(message).toMatchObject({ content: "", reasoning_content: "which?", tool_calls: [{ function: { name: "add", arguments: "{}" } }] });
});

test("text that should have been a call and is none comes out as content", () => {
  expect(parseEverywhere("Hello", () => ({ tools: tools(HERMES, true) })).content).toBe("Hello");
});

test("a tag is never given out in part", () => {
  const parser = new OutputParser({ tools: tools(HERMES) });
  expect(parser.push("Yes <tool")).toEqual([{ kind: "content", text: "Yes" }]);
  expect(parser.push("box>")).toEqual([{ kind: "content", text: " <toolbox>" }]);
});

test("arguments are given out while they are written", () => {
  const parser = new OutputParser({ tools: tools(HERMES) });
  expect(parser.push('<tool_call>\n{"name": "add", "arguments": {"a"')).toEqual([
    { kind: "tool-call", index: 0, id: "id0", name: "add", text: '{"a"' },
  ]);
  expect(parser.push(": 1")).toEqual([{ kind: "tool-arguments", index: 0, text: ": 1" }]);
  expect(parser.push("}}\n</tool_call>")).toEqual([{ kind: "tool-arguments", index: 0, text: "}" }]);
});

test("the parser says where calls begin and where a thought has ended", () => {
  const parser = new OutputParser({ reasoning: THINK, tools: tools(HERMES) });
  parser.push("<think>a</think> ok\n<tool");
  expect(parser.answerAt).toBe("<think>a</think>".length);
  expect(parser.callsAt).toBeUndefined();
  parser.push("_call>");
  expect(parser.callsAt).toBe("<think>a</think> ok\n".length);
});
