import { isObject } from "../request-fields.ts";
import type { ToolDefinition } from "../tool-definitions.ts";
import { GrammarRules, quoteLiteral, textWithout } from "./grammar-rules.ts";
import { addJsonSchema } from "./json-schema-grammar.ts";

const MESSAGE = "<|message|>";
const ANALYSIS = quoteLiteral("<|channel|>analysis<|message|>");
const NEXT_MESSAGE = quoteLiteral("<|end|><|start|>assistant");
/** `<|constrain|>json` and what models make of it. */
const CONSTRAINT = `(" "? ${quoteLiteral("<|constrain|>")}? [a-zA-Z]+)?`;

/** GBNF for one call after any reasoning; or, for an answer that comes to a call by itself, from `to=functions.` on. */
export function harmonyCallGrammar(tools: readonly ToolDefinition[], { isBegun }: { readonly isBegun: boolean }): string {
  const rules = new GrammarRules();
  const channel = quoteLiteral("<|channel|>commentary");
  const calls = tools.map(({ function: { name, parameters } }, i) => {
    const schema = isObject(parameters) && Object.keys(parameters).length > 0 ? { type: "object", ...parameters } : { type: "object" };
    return `${quoteLiteral(`to=functions.${name}`)} ${rules.add("tail", `(" "? ${channel})? ${CONSTRAINT} " "? ${quoteLiteral(MESSAGE)}`)} ${addJsonSchema(rules, schema, `args-${i}`)}`;
  });
  const call = rules.add("call", calls.join(" | "));
  rules.add("root", isBegun ? call : `${reasoning(rules)} (${channel})? " " ${call}`);
  return rules.toString();
}

/** GBNF for a final message that is one JSON text, after any reasoning. */
export function harmonyAnswerGrammar(schema: unknown): string {
  const rules = new GrammarRules();
  const answer = addJsonSchema(rules, schema, "answer");
  rules.add("root", `${reasoning(rules)} ${quoteLiteral("<|channel|>final")} ${CONSTRAINT} ${quoteLiteral(MESSAGE)} ${answer}`);
  return rules.toString();
}

function reasoning(rules: GrammarRules): string {
  return `(${ANALYSIS} ${textWithout(rules, "thought", "<|end|>")} ${NEXT_MESSAGE})*`;
}
