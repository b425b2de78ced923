import * as v from "valibot";
import { RouterError } from "../errors.ts";

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

/** The field of a model: `model_name` is Lemonade's; its C++ server and llama.cpp's router take `model` too. */
export const named = { model_name: optional(ModelName), model: optional(ModelName) };

interface Named {
  readonly model_name?: string | null | undefined;
  readonly model?: string | null | undefined;
}

/** The name in a body with the fields of {@link named}, if there is one. */
export function givenName({ model_name: name, model }: Named): string | undefined {
  return model ?? name ?? undefined;
}

/** @throws {@link RouterError} `INVALID_REQUEST` when there is none. */
export function requiredName(body: Named): string {
  const name = givenName(body);
  if (name === undefined) throw new RouterError("INVALID_REQUEST", "The field model_name is missing");
  return name;
}

export const Success = v.looseObject({ status: v.literal("success"), message: v.string() });

/** The body of every error of ours. */
export const ErrorAnswer = v.looseObject({
  error: v.looseObject({ message: v.string(), type: v.string(), code: v.union([v.string(), v.number()]) }),
  detail: v.string(),
  status: v.literal("error"),
  message: v.string(),
});
