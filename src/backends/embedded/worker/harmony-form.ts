import type { AnswerForm, AnswerGrammar } from "./answer-form.ts";
import { textOfContent } from "./chat-messages.ts";
import type { ChatRequest } from "./chat-request.ts";
import { harmonyAnswerGrammar, harmonyCallGrammar } from "./grammar/harmony-grammar.ts";
import { HarmonyReader } from "./harmony-reader.ts";

/** The form of gpt-oss. The prompt ends with `<|start|>assistant`, so an answer begins with a header. */
export function harmonyForm(request: ChatRequest, { newId }: { readonly newId: () => string }): AnswerForm {
  const content = request.begun === undefined ? "" : textOfContent(request.begun["content"]);
  return {
    begin: request.begun === undefined ? "" : `<|channel|>final<|message|>${content}`,
    prefill: content,
    grammar: grammarOf(request),
    newReader: () => new HarmonyReader({ newId, startsInFinal: request.begun !== undefined }),
  };
}

function grammarOf({ gbnf, schema, callable, choice }: ChatRequest): AnswerGrammar | undefined {
  if (gbnf !== undefined) return { gbnf, from: "start" };
  if (schema !== undefined) return { gbnf: harmonyAnswerGrammar(schema), from: "start" };
  if (callable.length === 0) return undefined;
  const isBegun = choice.kind === "auto";
  return { gbnf: harmonyCallGrammar(callable, { isBegun }), from: isBegun ? "call" : "start" };
}
