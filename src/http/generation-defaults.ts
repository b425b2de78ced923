import * as v from "valibot";
import { optional } from "./schemas.ts";

/** What `params` takes, with Lemonade's names and defaults. */
export const GenerationParams = v.looseObject({
  temperature: optional(v.pipe(v.number(), v.minValue(0))),
  top_p: optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
  top_k: optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  min_length: optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  max_length: optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  do_sample: optional(v.boolean()),
});
export type GenerationParams = v.InferOutput<typeof GenerationParams>;

const DEFAULTS = { temperature: 0.7, top_p: 0.95, top_k: 50, min_length: 0, max_length: 2048, do_sample: true } as const;

/**
 * Generation parameters that a client has set for requests that say nothing of their own. Until one is set, bodies go to the engine as
 * they came.
 */
export class GenerationDefaults {
  #set: GenerationParams = {};

  /** Changes what is given and returns all six as they now are. */
  set(params: GenerationParams): Record<keyof typeof DEFAULTS, number | boolean> {
    const known = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[];
    const given = known.filter((name) => params[name] !== undefined && params[name] !== null);
    this.#set = { ...this.#set, ...Object.fromEntries(given.map((name) => [name, params[name]])) };
    return { ...DEFAULTS, ...(this.#set as typeof DEFAULTS) };
  }

  /** The request's fields with the defaults behind them, or undefined when there are none. */
  applyTo(fields: Readonly<Record<string, unknown>>): Record<string, unknown> | undefined {
    const { temperature, top_p, top_k, max_length, do_sample } = this.#set;
    const defaults: Record<string, unknown> = {
      ...(do_sample === false ? { temperature: 0 } : { temperature, top_p, top_k }),
      ...(fields["max_completion_tokens"] === undefined ? { max_tokens: max_length } : {}),
    };
    const missing = Object.entries(defaults).filter(
      ([name, value]) => value !== undefined && value !== null && (fields[name] ?? null) === null,
    );
    return missing.length === 0 ? undefined : { ...fields, ...Object.fromEntries(missing) };
  }
}
