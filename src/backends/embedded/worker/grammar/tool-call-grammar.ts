import type { ReasoningTags } from "../output-parser.ts";
import { isObject } from "../request-fields.ts";
import { isStringParameter, type ToolDefinition } from "../tool-definitions.ts";
import type { CallPart, ToolSyntax } from "../tool-syntax.ts";
import { flexibleLiteral, GrammarRules, quoteLiteral, textWithout } from "./grammar-rules.ts";
import { addJsonSchema } from "./json-schema-grammar.ts";
import { unreachable } from "../unreachable.ts";

export interface ToolCallGrammarOptions {
  readonly syntax: ToolSyntax;
  /** The functions that may be called; at least one. */
  readonly tools: readonly ToolDefinition[];
  readonly isParallel: boolean;
  /** Lets a block of reasoning come first. */
  readonly thinking?: ReasoningTags | undefined;
}

/** GBNF for one call or several, with arguments that follow the functions' schemas. */
export function toolCallGrammar({ syntax, tools, isParallel, thinking }: ToolCallGrammarOptions): string {
  const rules = new GrammarRules();
  const calls = tools.map((tool, i) => rules.add(`call-${i}`, callOf(rules, { syntax, tool, tools, index: i })));
  const call = rules.add("call", calls.join(" | "));
  const more = isParallel && syntax.separator !== undefined ? [`(${joined([flexibleLiteral(rules, syntax.separator), call])})*`] : [];
  const parts = [prefix(rules, thinking), flexibleLiteral(rules, syntax.start), call, ...more, flexibleLiteral(rules, syntax.end)];
  rules.add("root", joined(parts));
  return rules.toString();
}

/** GBNF for an answer that is one JSON text. */
export function jsonAnswerGrammar(schema: unknown, { thinking }: { readonly thinking?: ReasoningTags | undefined }): string {
  const rules = new GrammarRules();
  const answer = addJsonSchema(rules, schema, "answer");
  rules.add("root", joined([thinking === undefined ? "" : prefix(rules, thinking), answer]));
  return rules.toString();
}

/** GBNF for a JSON text that follows reasoning which the prompt has opened: engines write a line break or two between them. */
export function jsonAfterThinkingGrammar(schema: unknown): string {
  const rules = new GrammarRules();
  const answer = addJsonSchema(rules, schema, "answer");
  rules.add("root", joined([prefix(rules, undefined), answer]));
  return rules.toString();
}

const SPACE = "[ \\n\\t]{0,20}";

function prefix(rules: GrammarRules, thinking: ReasoningTags | undefined): string {
  const space = rules.add("ws", SPACE);
  if (thinking === undefined) return space;
  const thought = joined([quoteLiteral(thinking.start), textWithout(rules, "thought", thinking.end), quoteLiteral(thinking.end), space]);
  return `${space} (${thought})?`;
}

interface CallContext {
  readonly syntax: ToolSyntax;
  readonly tool: ToolDefinition;
  readonly tools: readonly ToolDefinition[];
  readonly index: number;
}

function callOf(rules: GrammarRules, context: CallContext): string {
  return joined(context.syntax.call.map((part) => partOf(rules, part, context)));
}

function partOf(rules: GrammarRules, part: CallPart, { tool, tools, index }: CallContext): string {
  const { name, parameters } = tool.function;
  switch (part.kind) {
    case "literal":
      return flexibleLiteral(rules, part.text);
    case "name":
      return quoteLiteral(name);
    case "id":
      return "[a-zA-Z0-9]{9}"; // Mistral's templates accept no other ids.
    case "index":
      return "[0-9]{1,3}";
    case "arguments":
      return addJsonSchema(rules, objectSchema(parameters), `args-${index}`);
    case "tagged-arguments":
      return taggedArguments(rules, part, {
        schema: objectSchema(parameters),
        index,
        isString: (key) => isStringParameter(tools, name, key),
      });
    default:
      return unreachable(part);
  }
}

/** Arguments are an object, whatever the schema leaves out. */
function objectSchema(parameters: unknown): Readonly<Record<string, unknown>> {
  if (!isObject(parameters) || Object.keys(parameters).length === 0) return { type: "object" };
  return "type" in parameters || "$ref" in parameters || "anyOf" in parameters ? parameters : { ...parameters, type: "object" };
}

interface TaggedContext {
  readonly schema: Readonly<Record<string, unknown>>;
  readonly index: number;
  readonly isString: (key: string) => boolean;
}

function taggedArguments(
  rules: GrammarRules,
  { tags }: Extract<CallPart, { kind: "tagged-arguments" }>,
  { schema, index, isString }: TaggedContext,
): string {
  const properties = isObject(schema["properties"]) ? Object.entries(schema["properties"]) : [];
  const required = new Set(Array.isArray(schema["required"]) ? schema["required"] : []);
  const separator = rules.add("ws", SPACE);
  const definitions = { $defs: schema["$defs"], definitions: schema["definitions"] };
  const members = properties.map(([key, value], i) => {
    const json = (): string => addJsonSchema(rules, isObject(value) ? { ...definitions, ...value } : value, `args-${index}-${i}`);
    const text = isString(key) ? stringValue(rules, value, tags.afterValue) : joined([json(), flexibleLiteral(rules, tags.afterValue)]);
    const member = joined([quoteLiteral(tags.beforeName + key + tags.beforeValue), text, separator]);
    return required.has(key) ? member : `(${member})?`;
  });
  return joined([separator, ...members]);
}

function stringValue(rules: GrammarRules, schema: unknown, afterValue: string): string {
  const choices = isObject(schema) && Array.isArray(schema["enum"]) ? schema["enum"].filter((value) => typeof value === "string") : [];
  const value = choices.length > 0 ? `(${choices.map(quoteLiteral).join(" | ")})` : textWithout(rules, "value", afterValue);
  return joined([value, quoteLiteral(afterValue)]);
}

const joined = (parts: readonly string[]): string => parts.filter((part) => part !== "").join(" ") || '""';
