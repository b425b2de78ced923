import { ApiError, invalidRequest } from "./api-error.ts";
import { messagesOf, textOfContent, type ChatMessage } from "./chat-messages.ts";
import type { ChatTemplate } from "./chat-template.ts";
import { jsonAfterThinkingGrammar, jsonAnswerGrammar, toolCallGrammar } from "./grammar/tool-call-grammar.ts";
import type { OutputParserOptions, ReasoningTags } from "./output-parser.ts";
import { booleanField, field, isObject, objectField, textField, type RequestBody } from "./request-fields.ts";
import { endsInsideThinking } from "./think-tags.ts";
import { isStringParameter, toolChoiceOf, toolsOf, type ToolChoice, type ToolDefinition } from "./tool-definitions.ts";

/** From where on a grammar holds: the first token, the end of the reasoning, or the begin of a tool call. */
export interface AnswerGrammar {
  readonly gbnf: string;
  readonly from: "start" | "answer" | "call";
}

/** What a chat request comes to: the prompt, how its answer is held to a form, and how it is read. */
export interface ChatPlan {
  readonly prompt: string;
  /** Content that the request has begun and the model goes on with; clients get it again at the head of the answer. */
  readonly prefill: string;
  readonly grammar: AnswerGrammar | undefined;
  readonly parser: OutputParserOptions;
}

export function planChat(body: RequestBody, template: ChatTemplate, newId: () => string): ChatPlan {
  const messages = messagesOf(body);
  const allTools = toolsOf(body);
  const choice = toolChoiceOf(body, allTools);
  const schema = answerSchema(body);
  const gbnf = textField(body, "grammar");
  const tools = choice.kind === "none" ? [] : allTools;
  if (tools.length > 0 && gbnf !== undefined) throw invalidRequest("Cannot use custom grammar constraints with tools.");
  if (schema !== undefined && gbnf !== undefined) throw new ApiError("server_error", "Cannot use both json_schema and grammar");

  const thinking = thinkingOf(body);
  const isContinued = continuesLastMessage(body, messages);
  const rendered = template.render(isContinued ? messages.slice(0, -1) : messages, {
    tools: allTools,
    enablesThinking: thinking.isEnabled,
    addsGenerationPrompt: booleanField(body, "add_generation_prompt") ?? true,
    variables: thinking.variables,
  });
  const tags = textField(body, "reasoning_format") === "none" ? undefined : template.thinkTags;
  const prefill = isContinued ? prefillOf(messages.at(-1), { tags, prompt: rendered }) : { prompt: "", content: "" };
  const prompt = rendered + prefill.prompt;
  const reasoning =
    template.thinkTags === undefined ? undefined : { ...template.thinkTags, isOpen: endsInsideThinking(prompt, template.thinkTags) };
  const mayThink = thinking.isEnabled && prefill.content === "" ? reasoning : undefined;
  return {
    prompt,
    prefill: prefill.content,
    grammar: gbnf === undefined ? grammarOf({ template, tools, choice, schema, body, reasoning: mayThink }) : { gbnf, from: "start" },
    parser: {
      reasoning: tags === undefined || prefill.content !== "" ? undefined : reasoning,
      tools: toolParser({ template, tools, choice, newId }),
    },
  };
}

/** The schema that the answer is to follow; `{}` asks for any object. */
function answerSchema(body: RequestBody): unknown {
  const own = field(body, "json_schema")?.value;
  const format = objectField(body, "response_format");
  const type = format?.["type"];
  if (format === undefined || type === undefined || type === "text") return own === undefined ? undefined : orAnyObject(own);
  if (type === "json_object") return orAnyObject(format["schema"] ?? own);
  if (type === "json_schema") return orAnyObject(isObject(format["json_schema"]) ? format["json_schema"]["schema"] : undefined);
  throw invalidRequest(
    `response_format type must be one of "text" or "json_object", but got: ${typeof type === "string" ? type : JSON.stringify(type)}`,
  );
}

function orAnyObject(schema: unknown): unknown {
  if (schema === undefined || schema === null) return { type: "object" };
  return isObject(schema) && Object.keys(schema).length === 0 ? { type: "object" } : schema;
}

interface Thinking {
  readonly isEnabled: boolean;
  /** Variables of the template. */
  readonly variables: Readonly<Record<string, unknown>>;
}

function thinkingOf(body: RequestBody): Thinking {
  const { enable_thinking: wish, ...variables } = objectField(body, "chat_template_kwargs") ?? {};
  if (typeof wish === "string") throw invalidRequest('invalid type for "enable_thinking" (expected boolean, got string)');
  const effort = textField(body, "reasoning_effort");
  if (effort === "none") {
    const { reasoning_effort: _effort, ...others } = variables;
    return { isEnabled: false, variables: others };
  }
  return { isEnabled: wish !== false, variables: effort === undefined ? variables : { ...variables, reasoning_effort: effort } };
}

/** A last message of the assistant is the begin of the answer. */
function continuesLastMessage(body: RequestBody, messages: readonly ChatMessage[]): boolean {
  const wish = field(body, "continue_final_message")?.value;
  const isAssistant = messages.at(-1)?.role === "assistant";
  const continues = wish === undefined ? isAssistant : wish !== false && isAssistant;
  if (!continues) return false;
  if (wish !== undefined && body["add_generation_prompt"] === true) {
    throw invalidRequest("Cannot set both add_generation_prompt and continue_final_message to true.");
  }
  if (messages.at(-2)?.role === "assistant") throw invalidRequest("Cannot have 2 or more assistant messages at the end of the list.");
  const calls = messages.at(-1)?.["tool_calls"];
  if (Array.isArray(calls) && calls.length > 0) throw invalidRequest("Cannot continue an assistant message that contains tool calls.");
  return true;
}

function prefillOf(
  message: ChatMessage | undefined,
  { tags, prompt }: { tags: ReasoningTags | undefined; prompt: string },
): { prompt: string; content: string } {
  const content = textOfContent(message?.["content"]);
  const thought = message?.["reasoning_content"];
  if (tags === undefined) return { prompt: content, content };
  const isOpen = endsInsideThinking(prompt, tags);
  if (typeof thought === "string" && thought !== "") {
    const begun = `${isOpen ? "" : tags.start}${thought}`;
    return content === "" ? { prompt: begun, content } : { prompt: begun + tags.end + content, content };
  }
  return { prompt: isOpen && content !== "" ? tags.end + content : content, content };
}

interface GrammarContext {
  readonly template: ChatTemplate;
  readonly tools: readonly ToolDefinition[];
  readonly choice: ToolChoice;
  readonly schema: unknown;
  readonly body: RequestBody;
  /** Absent when the model does not think before this answer. */
  readonly reasoning: (ReasoningTags & { readonly isOpen: boolean }) | undefined;
}

function grammarOf({ template, tools, choice, schema, body, reasoning }: GrammarContext): AnswerGrammar | undefined {
  const from = reasoning?.isOpen === true ? "answer" : "start";
  const thinking = reasoning?.isOpen === false ? reasoning : undefined;
  try {
    if (schema !== undefined) {
      return { gbnf: from === "answer" ? jsonAfterThinkingGrammar(schema) : jsonAnswerGrammar(schema, { thinking }), from };
    }
    const syntax = template.toolSyntax;
    if (tools.length === 0 || syntax === undefined) return undefined;
    const isParallel = booleanField(body, "parallel_tool_calls") ?? template.abilities.takesParallelCalls;
    const callable = choice.kind === "named" ? tools.filter((tool) => tool.function.name === choice.name) : tools;
    const options = { syntax, tools: callable, isParallel: isParallel && choice.kind !== "named" };
    if (choice.kind === "auto") return { gbnf: toolCallGrammar(options), from: "call" };
    return { gbnf: toolCallGrammar({ ...options, thinking }), from };
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw invalidRequest(`"json_schema": ${error instanceof Error ? error.message : String(error)}`);
  }
}

interface ToolParserContext {
  readonly template: ChatTemplate;
  readonly tools: readonly ToolDefinition[];
  readonly choice: ToolChoice;
  readonly newId: () => string;
}

function toolParser({ template, tools, choice, newId }: ToolParserContext): OutputParserOptions["tools"] {
  const syntax = template.toolSyntax;
  if (tools.length === 0 || syntax === undefined) return undefined;
  return {
    syntax,
    newId,
    names: tools.map((tool) => tool.function.name),
    isForced: choice.kind === "required" || choice.kind === "named",
    isStringParameter: (name, parameter) => isStringParameter(tools, name, parameter),
  };
}
