import type { Addon } from "./addon.ts";
import { type ChatMessage, normalizeMessages, type TemplateAbilities } from "./chat-messages.ts";
import { templateTools, type ToolDefinition } from "./tool-definitions.ts";
import { thinkTagsOf } from "./think-tags.ts";
import { detectToolSyntax, type SyntaxProbe, takesObjectArguments, type ToolSyntax } from "./tool-syntax.ts";
import type { ReasoningTags } from "./output-parser.ts";

export interface ChatTemplateOptions {
  readonly addon: Addon;
  /** The template of the model; ChatML when it has none. */
  readonly source: string | undefined;
  readonly bosText: string;
  readonly eosText: string;
  /** Whether the tokenizer adds these by itself, so that the prompt must not have them too. */
  readonly addsBos: boolean;
  readonly addsEos: boolean;
  /** Whether a tag is a token that ends the answer. */
  readonly isEndOfAnswer: (tag: string) => boolean;
}

export interface RenderOptions {
  readonly tools: readonly ToolDefinition[];
  readonly enablesThinking: boolean;
  readonly addsGenerationPrompt: boolean;
  /** Further variables of the template. */
  readonly variables: Readonly<Record<string, unknown>>;
}

const HARMONY_TAGS: readonly string[] = ["<|channel|>", "<|message|>", "<|start|>", "<|end|>", "<|constrain|>", "<|call|>", "<|return|>"];

const CHATML = `{%- for message in messages -%}
  {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}`;

/** A model's chat template, rendered by llama.cpp's own engine, and what it can do, found out by rendering probes. */
export class ChatTemplate {
  readonly source: string;
  readonly thinkTags: ReasoningTags | undefined;
  /** Whether answers are messages on channels, as those of gpt-oss. */
  readonly isHarmony: boolean;
  readonly #options: ChatTemplateOptions;
  readonly #renderer: { render(variables: Readonly<Record<string, unknown>>): string };
  #abilities: TemplateAbilities | undefined;
  #syntax: { readonly value: ToolSyntax | undefined } | undefined;

  /** Throws when the template is not valid. */
  constructor(options: ChatTemplateOptions) {
    this.#options = options;
    this.source = withoutKnownFaults(options.source === undefined || options.source === "" ? CHATML : options.source);
    this.#renderer = new options.addon.AddonJinjaRenderer(this.source);
    this.isHarmony = HARMONY_TAGS.slice(0, 3).every((tag) => this.source.includes(tag));
    this.thinkTags = this.isHarmony ? undefined : thinkTagsOf(this.source);
  }

  /** How this template writes tool calls; found at the first use, for it takes a few renderings. */
  get toolSyntax(): ToolSyntax | undefined {
    this.#syntax ??= { value: detectToolSyntax(this.#syntaxProbe()) };
    return this.#syntax.value;
  }

  /** Every tag that may occur in an answer. */
  get tags(): readonly string[] {
    const syntax = this.toolSyntax;
    const literals = syntax === undefined ? [] : [syntax.start, syntax.separator ?? "", syntax.end];
    for (const part of syntax?.call ?? []) {
      if (part.kind === "literal") literals.push(part.text);
      else if (part.kind === "tagged-arguments") literals.push(part.tags.beforeName, part.tags.beforeValue, part.tags.afterValue);
    }
    if (this.thinkTags !== undefined) literals.push(this.thinkTags.start, this.thinkTags.end);
    const found = literals.flatMap((literal) => literal.match(/<[^<>\s]+>|\[\/?[A-Z_]+\]/g) ?? []);
    return this.isHarmony ? [...found, ...HARMONY_TAGS] : found;
  }

  get abilities(): TemplateAbilities {
    this.#abilities ??= this.#findAbilities();
    return this.#abilities;
  }

  /** The prompt for a conversation. Throws with the template's own words when it refuses it. */
  render(messages: readonly ChatMessage[], options: RenderOptions): string {
    const variables = {
      ...dateVariables(new Date()),
      ...options.variables,
      messages: this.#prepare(messages),
      ...(options.tools.length > 0 && { tools: templateTools(options.tools) }),
      enable_thinking: options.enablesThinking,
      ...(options.addsGenerationPrompt && { add_generation_prompt: true }),
    };
    return this.#strip(this.#renderer.render({ bos_token: this.#options.bosText, eos_token: this.#options.eosText, ...variables }));
  }

  #prepare(messages: readonly ChatMessage[]): readonly ChatMessage[] {
    const normal = normalizeMessages(messages, this.abilities);
    if (!this.isHarmony) return normal;
    // This template has another name for reasoning, and no place for content beside calls.
    return normal.map(({ content, ...message }) => {
      const thought = message["reasoning_content"];
      if (typeof thought !== "string") return { ...message, content };
      return { ...message, thinking: thought, ...(message["tool_calls"] === undefined && { content }) };
    });
  }

  #strip(prompt: string): string {
    const { bosText, eosText, addsBos, addsEos } = this.#options;
    let text = prompt;
    if (addsBos && bosText !== "" && text.startsWith(bosText)) text = text.slice(bosText.length);
    if (addsEos && eosText !== "" && text.endsWith(eosText)) text = text.slice(0, -eosText.length);
    return text;
  }

  #syntaxProbe(): SyntaxProbe {
    return {
      render: (messages, tools) => this.#probe(messages, { tools: tools as readonly ToolDefinition[] }),
      isEndOfAnswer: this.#options.isEndOfAnswer,
    };
  }

  #probe(messages: readonly unknown[], { tools }: { tools: readonly ToolDefinition[] }): string | undefined {
    const { bosText, eosText } = this.#options;
    const fixed = { ...dateVariables(new Date(0)), bos_token: bosText, eos_token: eosText, enable_thinking: true };
    try {
      return this.#renderer.render({ ...fixed, messages, ...(tools.length > 0 && { tools }) });
    } catch {
      return undefined; // A template may refuse a conversation: that is the answer to the probe.
    }
  }

  #findAbilities(): TemplateAbilities {
    const mark = "QQMARKQQ";
    const shows = (content: unknown, role = "user"): boolean => {
      const messages =
        role === "user"
          ? [{ role, content }]
          : [
              { role, content },
              { role: "user", content: this.#asUsable("Hi") },
            ];
      const rendered = this.#probe(messages, { tools: [] });
      // A template that knows no parts prints the list as it is, keys and all.
      return rendered?.includes(mark) === true && !/['"]type['"]/.test(rendered);
    };
    const takesText = shows(mark);
    const takesParts = shows([{ type: "text", text: mark }]);
    const syntax = this.toolSyntax;
    return {
      takesText: takesText || !takesParts,
      takesParts,
      takesSystem: shows(takesText || !takesParts ? mark : [{ type: "text", text: mark }], "system"),
      takesDeveloper: this.isHarmony,
      takesToolCalls: syntax !== undefined || this.source.includes("tool_calls"),
      takesTools: this.#showsTools(),
      takesParallelCalls: syntax?.separator !== undefined,
      takesObjectArguments: syntax === undefined ? takesObjectArguments(this.#syntaxProbe()) : syntax.argumentsAs === "object",
    };
  }

  #asUsable(text: string): unknown {
    return this.#probe([{ role: "user", content: text }], { tools: [] })?.includes(text) === true ? text : [{ type: "text", text }];
  }

  #showsTools(): boolean {
    const name = "qq_probe_function";
    const tools = [
      { type: "function" as const, function: { name, description: "A probe", parameters: { type: "object", properties: {} } } },
    ];
    return this.#probe([{ role: "user", content: this.#asUsable("Hi") }], { tools })?.includes(name) === true;
  }
}

function dateVariables(now: Date): Record<string, string> {
  const day = String(now.getDate()).padStart(2, "0");
  const month = now.toLocaleString("en-US", { month: "short" });
  return { datetime: `${month} ${day} ${now.getFullYear()}`, date_string: `${day} ${month} ${now.getFullYear()}` };
}

/** Two published templates refuse conversations that are in order; llama.cpp takes the same lines out. */
function withoutKnownFaults(source: string): string {
  return source
    .replaceAll(
      `{%- if "<|channel|>analysis<|message|>" in message.content or "<|channel|>final<|message|>" in message.content %}`,
      "{%- if false %}",
    )
    .replaceAll(
      "{%- if (message['content'] is none or message['content'] == '' or message['content']|length == 0) and (message['tool_calls'] is not defined or message['tool_calls'] is none or message['tool_calls']|length == 0) %}",
      "{%- if false %}",
    );
}
