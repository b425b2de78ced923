import { beforeAll, describe, expect, test } from "bun:test";
import { type Addon, loadAddon } from "../../src/backends/embedded/worker/addon.ts";
import { GrammarRules, textWithout } from "../../src/backends/embedded/worker/grammar/grammar-rules.ts";
import { harmonyAnswerGrammar, harmonyCallGrammar } from "../../src/backends/embedded/worker/grammar/harmony-grammar.ts";
import { addJsonSchema } from "../../src/backends/embedded/worker/grammar/json-schema-grammar.ts";
import { toolCallGrammar } from "../../src/backends/embedded/worker/grammar/tool-call-grammar.ts";
import type { ToolSyntax } from "../../src/backends/embedded/worker/tool-syntax.ts";
import { embeddedEngine } from "./real-embedded-worker.ts";

let addon: Addon;
beforeAll(async () => void (addon = loadAddon((await embeddedEngine()).folder, () => undefined)), 300_000);

/** What llama.cpp itself says about a text. */
const allows = (gbnf: string, text: string): boolean =>
  new addon.AddonGrammar(gbnf, { addonExports: addon, rootRuleName: "root" }).isTextCompatible(text);

function schemaGrammar(schema: unknown): string {
  const rules = new GrammarRules();
  rules.add("root", addJsonSchema(rules, schema, "answer"));
  return rules.toString();
}

interface SchemaCase {
  readonly schema: unknown;
  readonly yes: readonly string[];
  readonly no: readonly string[];
}

const CASES: Readonly<Record<string, SchemaCase>> = {
  "anything at all": { schema: {}, yes: ['{"a":[1,2.5,-3e5,"x\\n",null,true]}', "1", '"s"'], no: ["{a:1}", ""] },
  "any object": { schema: { type: "object" }, yes: ["{}", '{ "a":1, "b":{} }'], no: ["1", "[]"] },
  "required and optional members": {
    schema: { type: "object", properties: { a: { type: "string" }, b: { type: "integer" }, c: { type: "boolean" } }, required: ["b"] },
    yes: ['{"b":1}', '{"b": 1, "a":"x"}', '{"b":1,"a":"x","c":true}', '{"b":1,"c":false}'],
    no: ["{}", '{"a":"x"}', '{"b":1.5}', '{"b":1,"z":2}', '{"b":1,}'],
  },
  "optional members only": {
    schema: { type: "object", properties: { a: { type: "string" }, b: { type: "integer" } } },
    yes: ["{}", '{"a":"x"}', '{"b":1}', '{"a":"x","b":1}'],
    no: ["{,}", '{"c":1}'],
  },
  "members of any name": {
    schema: { type: "object", properties: { a: { type: "string" } }, required: ["a"], additionalProperties: { type: "number" } },
    yes: ['{"a":"x"}', '{"a":"x","q":1,"r":2}'],
    no: ['{"a":"x","q":"s"}', "{}"],
  },
  "arrays of a length": {
    schema: { type: "array", items: { type: "integer" }, minItems: 2, maxItems: 3 },
    yes: ["[1,2]", "[1, 2, 3]"],
    no: ["[1]", "[1,2,3,4]", "[]"],
  },
  "arrays of choices": { schema: { type: "array", items: { enum: ["a", 1, null] } }, yes: ["[]", '["a",1,null]'], no: ['["b"]'] },
  "several types": { schema: { type: ["string", "null"] }, yes: ["null", '"x"'], no: ["1"] },
  "one of several schemas": {
    schema: { anyOf: [{ type: "string" }, { type: "object", properties: { k: { const: "v" } }, required: ["k"] }] },
    yes: ['"x"', '{"k":"v"}'],
    no: ['{"k":"w"}', "1"],
  },
  "a schema within itself": {
    schema: {
      $ref: "#/$defs/node",
      $defs: {
        node: { type: "object", properties: { next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] } }, required: ["next"] },
      },
    },
    yes: ['{"next":null}', '{"next":{"next":null}}'],
    no: ["{}", '{"next":1}'],
  },
  "all of several schemas": {
    schema: {
      allOf: [
        { type: "object", properties: { a: { type: "string" } }, required: ["a"] },
        { properties: { b: { type: "number" } }, required: ["b"] },
      ],
    },
    yes: ['{"a":"x","b":1}'],
    no: ['{"a":"x"}'],
  },
  "a range of integers": {
    schema: { type: "integer", minimum: -5, exclusiveMaximum: 12 },
    yes: ["-5", "0", "11"],
    no: ["-6", "12", "1.5"],
  },
  "strings of a length": {
    schema: { type: "string", minLength: 2, maxLength: 3 },
    yes: ['"ab"', '"a\\n"', '"äöü"'],
    no: ['"a"', '"abcd"'],
  },
  "strings of a pattern": {
    schema: { type: "string", pattern: "^[a-z]{2,3}\\d+(foo|bar\\.)?$" },
    yes: ['"ab1"', '"abc123foo"', '"ab1bar."'],
    no: ['"a1"', '"ab1baz"'],
  },
  "a pattern anywhere in a string": { schema: { type: "string", pattern: "abc" }, yes: ['"abc"', '"xxabcyy"'], no: ['"xx"'] },
  dates: { schema: { type: "string", format: "date-time" }, yes: ['"2024-01-02T03:04:05Z"'], no: ['"2024-01-02"'] },
  tuples: { schema: { type: "array", prefixItems: [{ type: "string" }, { type: "number" }] }, yes: ['["a",1]'], no: ['["a"]'] },
  "odd names": {
    schema: { type: "object", properties: { "a/b": { const: 1 }, "a-b": { const: 2 }, root: {} }, required: ["a/b", "a-b", "root"] },
    yes: ['{"a/b":1,"a-b":2,"root":3}'],
    no: [],
  },
};

describe("llama.cpp reads the grammar of a JSON schema as it is meant:", () => {
  test.each(Object.entries(CASES))("%s", (_name, { schema, yes, no }) => {
    const gbnf = schemaGrammar(schema);
    expect(yes.filter((text) => !allows(gbnf, text))).toEqual([]);
    expect(no.filter((text) => allows(gbnf, text))).toEqual([]);
  });
});

test("text without an end tag is any text without it", () => {
  const rules = new GrammarRules();
  rules.add("root", `${textWithout(rules, "thought", "</think>")} "</think>"`);
  const gbnf = rules.toString();
  expect(["</think>", "a<b</think>", "<</think>", "ok \n</thin</think>"].filter((text) => !allows(gbnf, text))).toEqual([]);
  expect(["", "a", "</think></think>"].filter((text) => allows(gbnf, text))).toEqual([]);
});

const TOOLS = [
  {
    type: "function",
    function: {
      name: "add",
      parameters: { type: "object", properties: { a: { type: "integer" }, note: { type: "string" } }, required: ["a"] },
    },
  },
  { type: "function", function: { name: "now" } },
] as const;

describe("llama.cpp reads the grammar of tool calls as it is meant:", () => {
  test("JSON between tags", () => {
    const syntax: ToolSyntax = {
      start: "",
      call: [
        { kind: "literal", text: '<tool_call>\n{"name": "' },
        { kind: "name" },
        { kind: "literal", text: '", "arguments": ' },
        { kind: "arguments" },
        { kind: "literal", text: "}\n</tool_call>" },
      ],
      separator: "\n",
      end: "",
      argumentsAs: "object",
    };
    const add = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>';
    const now = '<tool_call>{"name": "now", "arguments": {}}</tool_call>';
    const many = toolCallGrammar({ syntax, tools: TOOLS, isParallel: true });
    expect([add, now, `${add}\n${now}`, `\n${now}`].filter((text) => !allows(many, text))).toEqual([]);
    const wrong = [
      '<tool_call>\n{"name": "sub", "arguments": {}}\n</tool_call>',
      '<tool_call>\n{"name": "add", "arguments": {}}\n</tool_call>',
      "Hello",
    ];
    expect(wrong.filter((text) => allows(many, text))).toEqual([]);
    const one = toolCallGrammar({ syntax, tools: TOOLS, isParallel: false, thinking: { start: "<think>", end: "</think>" } });
    expect(allows(one, `${add}\n${now}`)).toBe(false);
    expect(allows(one, `<think>which, <b>?</think>\n${add}`)).toBe(true);
  });

  test("arguments between tags", () => {
    const syntax: ToolSyntax = {
      start: "",
      call: [
        { kind: "literal", text: "<tool_call>\n<function=" },
        { kind: "name" },
        { kind: "literal", text: ">\n" },
        {
          kind: "tagged-arguments",
          tags: { beforeName: "<parameter=", beforeValue: ">\n", afterValue: "\n</parameter>", separator: "\n" },
        },
        { kind: "literal", text: "\n</function>\n</tool_call>" },
      ],
      separator: "\n",
      end: "",
      argumentsAs: "object",
    };
    const gbnf = toolCallGrammar({ syntax, tools: TOOLS, isParallel: true });
    const call = (inner: string) => `<tool_call>\n<function=add>\n${inner}</function>\n</tool_call>`;
    expect(allows(gbnf, call("<parameter=a>\n1\n</parameter>\n"))).toBe(true);
    expect(allows(gbnf, call("<parameter=a>\n1\n</parameter>\n<parameter=note>\nfree <b>text</b>\n</parameter>\n"))).toBe(true);
    expect(allows(gbnf, call("<parameter=a>\nx\n</parameter>\n"))).toBe(false);
    expect(allows(gbnf, call(""))).toBe(false);
    expect(allows(gbnf, "<tool_call>\n<function=now>\n</function>\n</tool_call>")).toBe(true);
  });

  test("messages on channels", () => {
    const thought = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant";
    const whole = harmonyCallGrammar(TOOLS, { isBegun: false });
    const native = '<|channel|>commentary to=functions.add <|constrain|>json<|message|>{"a":1}';
    const templated = ' to=functions.add<|channel|>commentary json<|message|>{"a":1}';
    expect([native, templated, thought + native, thought + templated].filter((text) => !allows(whole, text))).toEqual([]);
    expect(["<|channel|>final<|message|>no", thought, " to=functions.sub<|message|>{}"].filter((text) => allows(whole, text))).toEqual([]);
    expect(allows(harmonyCallGrammar(TOOLS, { isBegun: true }), "to=functions.now<|message|>{}")).toBe(true);
    const answer = harmonyAnswerGrammar({ type: "integer" });
    expect(allows(answer, `${thought}<|channel|>final <|constrain|>json<|message|>5`)).toBe(true);
    expect(allows(answer, "<|channel|>final<|message|>five")).toBe(false);
  });
});
