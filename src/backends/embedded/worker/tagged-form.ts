import type { AnswerForm, AnswerGrammar } from "./answer-form.ts";
import { textOfContent, type ChatMessage } from "./chat-messages.ts";
import type { ChatRequest } from "./chat-request.ts";
import type { ChatTemplate } from "./chat-template.ts";
import { jsonAfterThinkingGrammar, jsonAnswerGrammar, toolCallGrammar } from "./grammar/tool-call-grammar.ts";
import { OutputParser, type OutputParserOptions, type ReasoningTags } from "./output-parser.ts";
import { endsInsideThinking } from "./think-tags.ts";
import { isStringParameter } from "./tool-definitions.ts";

export interface FormContext {
  readonly template: ChatTemplate;
  /** What the template has rendered. */
  readonly rendered: string;
  readonly newId: () => string;
}

/** The form of most models: content, with a block of reasoning before it and tool calls after it, each between tags. */
export function taggedForm(request: ChatRequest, context: FormContext): AnswerForm {
  const { template, rendered } = context;
  const begun = beginOf(request.begun, { tags: request.splitsReasoning ? template.thinkTags : undefined, rendered });
  const tags = begun.content === "" ? template.thinkTags : undefined;
  const reasoning = tags === undefined ? undefined : { ...tags, isOpen: endsInsideThinking(rendered + begun.text, tags) };
  const options: OutputParserOptions = {
    reasoning: request.splitsReasoning ? reasoning : undefined,
    tools: toolParser(request, context),
  };
  return {
    begin: begun.text,
    prefill: begun.content,
    grammar:
      request.gbnf === undefined
        ? grammarOf(request, template, request.enablesThinking ? reasoning : undefined)
        : { gbnf: request.gbnf, from: "start" },
    newReader: () => new OutputParser(options),
  };
}

interface Begin {
  readonly text: string;
  readonly content: string;
}

function beginOf(message: ChatMessage | undefined, { tags, rendered }: { tags: ReasoningTags | undefined; rendered: string }): Begin {
  if (message === undefined) return { text: "", content: "" };
  const content = textOfContent(message["content"]);
  if (tags === undefined) return { text: content, content };
  const isOpen = endsInsideThinking(rendered, tags);
  const thought = message["reasoning_content"];
  if (typeof thought === "string" && thought !== "") {
    const begun = `${isOpen ? "" : tags.start}${thought}`;
    return content === "" ? { text: begun, content } : { text: begun + tags.end + content, content };
  }
  return { text: isOpen && content !== "" ? tags.end + content : content, content };
}

type Reasoning = ReasoningTags & { readonly isOpen: boolean };

/** `reasoning` is absent when the model does not think before this answer. */
function grammarOf(request: ChatRequest, template: ChatTemplate, reasoning: Reasoning | undefined): AnswerGrammar | undefined {
  const { schema, callable, choice, isParallel } = request;
  const from = reasoning?.isOpen === true ? "answer" : "start";
  const thinking = reasoning?.isOpen === false ? reasoning : undefined;
  if (schema !== undefined)
    return { gbnf: from === "answer" ? jsonAfterThinkingGrammar(schema) : jsonAnswerGrammar(schema, { thinking }), from };
  const syntax = template.toolSyntax;
  if (callable.length === 0 || syntax === undefined) return undefined;
  const options = { syntax, tools: callable, isParallel: choice.kind !== "named" && (isParallel ?? template.abilities.takesParallelCalls) };
  return choice.kind === "auto"
    ? { gbnf: toolCallGrammar(options), from: "call" }
    : { gbnf: toolCallGrammar({ ...options, thinking }), from };
}

function toolParser({ callable, choice }: ChatRequest, { template, newId }: FormContext): OutputParserOptions["tools"] {
  const syntax = template.toolSyntax;
  if (callable.length === 0 || syntax === undefined) return undefined;
  return {
    syntax,
    newId,
    names: callable.map((tool) => tool.function.name),
    isForced: choice.kind === "required" || choice.kind === "named",
    isStringParameter: (name, parameter) => isStringParameter(callable, name, parameter),
  };
}
