import { expect, test } from "bun:test";
import { GrammarRules } from "./grammar-rules.ts";
import { addJsonSchema } from "./json-schema-grammar.ts";

function rulesFor(schema: unknown): { root: string; rules: ReadonlyMap<string, string> } {
  const grammar = new GrammarRules();
  const root = addJsonSchema(grammar, schema, "answer");
  const lines = grammar.toString().trim().split("\n");
  return { root, rules: new Map(lines.map((line) => line.split(" ::= ", 2) as [string, string])) };
}

/** Names that a grammar refers to and does not define. */
function undefinedNames(rules: ReadonlyMap<string, string>): string[] {
  const withoutTexts = [...rules.values()].join(" ").replaceAll(/"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|\{\d+(?:,\d*)?\}/g, " ");
  return [...new Set(withoutTexts.match(/[a-zA-Z][a-zA-Z0-9-]*/g) ?? [])].filter((name) => !rules.has(name));
}

test("every rule that is used is defined", () => {
  const schemas: unknown[] = [
    {},
    true,
    { type: "object" },
    {
      type: "object",
      properties: { a: { type: "string" }, b: { type: ["integer", "null"] } },
      required: ["b"],
      additionalProperties: true,
    },
    { anyOf: [{ type: "number" }, { type: "array", items: { enum: ["x", 1, null] }, minItems: 1 }] },
    { type: "string", format: "date-time" },
    { type: "string", pattern: "^\\w+(-\\d{2})?$" },
    { $ref: "#/$defs/node", $defs: { node: { type: "object", properties: { next: { $ref: "#/$defs/node" } } } } },
  ];
  for (const schema of schemas) {
    const { root, rules } = rulesFor(schema);
    expect(rules.has(root)).toBe(true);
    expect({ schema, missing: undefinedNames(rules) }).toEqual({ schema, missing: [] });
  }
});

test("required members come first, optional ones may follow", () => {
  const { root, rules } = rulesFor({ type: "object", properties: { a: { type: "string" }, b: { type: "integer" } }, required: ["b"] });
  expect(rules.get(root)).toBe('"{" space answer-b-kv answer-rest-0 space "}"');
  expect(rules.get("answer-rest-0")).toBe('("," space answer-a-kv)?');
});

test("properties whose names differ only in signs get rules of their own", () => {
  const { rules } = rulesFor({ type: "object", properties: { "a b": { const: 1 }, "a-b": { const: 2 } } });
  expect([...rules.values()].filter((body) => body === '"1"' || body === '"2"')).toHaveLength(2);
});

test("a schema that refers to nowhere is refused", () => {
  expect(() => rulesFor({ $ref: "#/$defs/none" })).toThrow("Error resolving ref #/$defs/none: $defs not in schema");
  expect(() => rulesFor({ $ref: "https://example.com/schema" })).toThrow("Unsupported ref");
});

test("a pattern that no grammar can say leaves any text", () => {
  expect(rulesFor({ type: "string", pattern: "^(?=x)y$" }).rules.get("answer-pattern")).toBe("char*");
});
