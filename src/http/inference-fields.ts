import * as v from "valibot";
import { optional } from "./schemas.ts";

const integer = optional(v.pipe(v.number("must be a number"), v.integer("must be a whole number")));
const number = optional(v.number("must be a number"));
const flag = optional(v.boolean("must be true or false"));
const object = v.looseObject({}, "must be an object");
const token = v.pipe(v.number(), v.integer(), v.minValue(0, "must be a token"));

/** A text, a token or several; or llama.cpp's own form of one. */
const prompt = v.union([v.string(), token, v.array(token), v.looseObject({ prompt_string: v.string() })]);

/** One prompt or several. */
export const Prompt = v.union(
  [v.string(), v.pipe(v.array(prompt), v.minLength(1)), v.looseObject({ prompt_string: v.string() })],
  "must be a text, tokens, or a list of these",
);

export const stream = flag;

/** What every engine knows about how tokens are chosen: described, and refused by name when of a wrong type. Anything else goes along unseen. */
export const SAMPLING = {
  max_tokens: integer,
  temperature: number,
  top_p: number,
  top_k: integer,
  min_p: number,
  seed: integer,
  stop: optional(v.union([v.string(), v.array(v.string())], "must be a text or a list of texts")),
  presence_penalty: number,
  frequency_penalty: number,
} as const satisfies v.ObjectEntries;

const part = v.looseObject({ type: v.string() });

/** Tools of other types run on machines of OpenAI's. */
const Tool = v.looseObject({
  type: v.literal("function", "must be function"),
  function: v.looseObject({
    name: v.string("must be a text"),
    description: optional(v.string("must be a text")),
    parameters: optional(object),
  }),
});

/** A message; what its parts may be depends on the model. */
export const Message = v.looseObject({
  role: v.string("must be a text"),
  content: optional(v.union([v.string(), v.array(part)], "must be a text or a list of parts")),
});

export const CHAT = {
  max_completion_tokens: integer,
  stream_options: optional(v.looseObject({ include_usage: flag }, "must be an object")),
  tools: optional(v.array(Tool, "must be a list of tools")),
  tool_choice: optional(v.union([v.string(), object], "must be a text or an object")),
  parallel_tool_calls: flag,
  response_format: optional(v.looseObject({ type: v.string("must be a text") }, "must be an object")),
  reasoning_effort: optional(v.string("must be a text")),
  enable_thinking: flag,
  chat_template_kwargs: optional(object),
} as const satisfies v.ObjectEntries;

export const RESPONSES = {
  instructions: optional(v.string("must be a text")),
  max_output_tokens: integer,
  temperature: number,
  top_p: number,
  tools: optional(v.array(v.looseObject({ type: v.string() }), "must be a list of tools")),
  tool_choice: optional(v.union([v.string(), object], "must be a text or an object")),
  text: optional(v.looseObject({ format: optional(v.looseObject({ type: v.string("must be a text") })) }, "must be an object")),
  reasoning: optional(v.looseObject({ effort: optional(v.string("must be a text")) }, "must be an object")),
} as const satisfies v.ObjectEntries;
