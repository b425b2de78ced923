import { errorMessage, RouterError } from "../errors.ts";
import { isTooDeep } from "./security/index.ts";

export interface Body {
  /** The bytes as they came. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly fields: Readonly<Record<string, unknown>>;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads a JSON body once and parses it once, whatever its content type claims (curl sends a form's). An empty body counts as an object
 * without fields.
 */
export async function readBody(request: Request): Promise<Body> {
  const bytes = new Uint8Array(await request.arrayBuffer());
  if (bytes.length === 0) return { bytes, fields: {} };
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw new RouterError("INVALID_REQUEST", `The request body is not JSON: ${errorMessage(error)}`, { cause: error });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RouterError("INVALID_REQUEST", "The request body must be a JSON object");
  }
  if (isTooDeep(value)) throw new RouterError("INVALID_REQUEST", "The request body is nested too deeply");
  return { bytes, fields: value as Record<string, unknown> }; // Checked: an object that is no array.
}
