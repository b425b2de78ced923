import * as v from "valibot";
import { renderLlamaCppError } from "../../../dialects/llamacpp/index.ts";
import type { Answer, EndpointSpec } from "../../endpoint.ts";
import { ErrorAnswer } from "../../schemas.ts";

/** What every endpoint of this dialect has. */
export const LLAMACPP = { tag: "llama.cpp router", renderError: renderLlamaCppError } as const satisfies Partial<
  EndpointSpec<never, never>
>;

const ERRORS = {
  400: "What was asked for is not possible: no model is named, it is not known, or not loaded and shall not be",
  404: "There is no such model, or no such stream any more",
  500: "It has failed: the model did not load, every place is busy, or the body is no JSON",
  501: "The engine was not started for this",
  503: "It is not ready, or waits too long",
} as const;

type ErrorStatus = keyof typeof ERRORS;

/** The answers of an endpoint with the errors that it may give. */
export function answers(success: Answer, ...errors: readonly ErrorStatus[]): Readonly<Record<number, Answer>> {
  const refused = errors.map((status) => [status, { description: ERRORS[status], schema: ErrorAnswer }] as const);
  return { 200: success, ...Object.fromEntries(refused) };
}

export const Done = v.object({ success: v.literal(true) });
