import type { AnswerReader } from "./answer-reader.ts";

/** From where on a grammar holds: the first token, the end of the reasoning, or the begin of a tool call. */
export interface AnswerGrammar {
  readonly gbnf: string;
  readonly from: "start" | "answer" | "call";
}

/** How a model's answers are written: what goes before one, how it is held to a form, and how it is read. */
export interface AnswerForm {
  /** Text that the prompt gets behind what the template renders: the begin of the answer that the request brings. */
  readonly begin: string;
  /** The content in it, which clients get again at the head of the answer. */
  readonly prefill: string;
  readonly grammar: AnswerGrammar | undefined;
  readonly newReader: () => AnswerReader;
}
