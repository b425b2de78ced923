import * as v from "valibot";

/** Lemonade's two prefixes and the one that OpenAI clients add to a bare address. */
const PREFIXES = ["/api/v1", "/api/v0", "/v1"] as const;

/** The paths of an endpoint below every prefix, the documented one first. */
export function below(path: string): string[] {
  return PREFIXES.map((prefix) => `${prefix}/${path}`);
}

const NAME_MESSAGE = "must be a non-empty string";

/** A model as a client names it. */
export const ModelName = v.pipe(v.string(NAME_MESSAGE), v.minLength(1, NAME_MESSAGE));

/** null counts as absent, as in the engines. */
export const optional = <T extends v.GenericSchema>(schema: T) => v.optional(v.nullable(schema));

export const Success = v.looseObject({ status: v.literal("success"), message: v.string() });

/** The body of every error of ours. */
export const ErrorAnswer = v.looseObject({
  error: v.looseObject({ message: v.string(), type: v.string(), code: v.union([v.string(), v.number()]) }),
  detail: v.string(),
  status: v.literal("error"),
  message: v.string(),
});
