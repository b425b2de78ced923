import * as v from "valibot";
import { optional } from "./schemas.ts";

/** What `params` takes, with Lemonade's names and defaults; null takes a parameter back. */
export const GenerationParams = v.looseObject({
  temperature: optional(v.pipe(v.number(), v.minValue(0))),
  top_p: optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
  top_k: optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  /** No engine can be told to go on: only the default is true. */
  min_length: optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0, "must be 0: no engine here knows a least length"))),
  max_length: optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  do_sample: optional(v.boolean()),
});
export type GenerationParams = v.InferOutput<typeof GenerationParams>;

const DEFAULTS = { temperature: 0.7, top_p: 0.95, top_k: 50, min_length: 0, max_length: 2048, do_sample: true } as const;

/** Other names of `max_tokens`, in chats and responses. */
const LIMITS = ["max_completion_tokens", "max_output_tokens"] as const;

/**
 * Generation parameters that a client has set for requests that say nothing of their own. Until one is set, bodies go to the engine as
 * they came.
 */
export class GenerationDefaults {
  #set: GenerationParams = {};

  /** Changes what is given, where null means as if it had never been set, and returns all six as they now are. */
  set(params: GenerationParams): Record<keyof typeof DEFAULTS, number | boolean> {
    const known = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[];
    const given = known.filter((name) => params[name] !== undefined).map((name) => [name, params[name] ?? undefined]);
    this.#set = { ...this.#set, ...Object.fromEntries(given) };
    return Object.fromEntries(known.map((name) => [name, this.#set[name] ?? DEFAULTS[name]])) as typeof DEFAULTS;
  }

  /** The request's fields with the defaults behind them, or undefined when there are none. */
  applyTo(fields: Readonly<Record<string, unknown>>): Record<string, unknown> | undefined {
    const { temperature, top_p, top_k, max_length, do_sample } = this.#set;
    const defaults: Record<string, unknown> = {
      ...(do_sample === false ? { temperature: 0 } : { temperature, top_p, top_k }),
      ...(LIMITS.some((name) => (fields[name] ?? null) !== null) ? {} : { max_tokens: max_length }),
    };
    const missing = Object.entries(defaults).filter(
      ([name, value]) => value !== undefined && value !== null && (fields[name] ?? null) === null,
    );
    return missing.length === 0 ? undefined : { ...fields, ...Object.fromEntries(missing) };
  }
}
