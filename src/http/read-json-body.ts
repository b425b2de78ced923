import { errorMessage, RouterError } from "../errors.ts";

export interface JsonBody {
  /** The bytes as they came, for an engine that speaks the same dialect. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Reads a request body once and parses it once. An empty body counts as an object without fields. */
export async function readJsonBody(request: Request): Promise<JsonBody> {
  const bytes = new Uint8Array(await request.arrayBuffer());
  if (bytes.length === 0) return { bytes, fields: {} };
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new RouterError("INVALID_REQUEST", `The request body is not JSON: ${errorMessage(error)}`, { cause: error });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RouterError("INVALID_REQUEST", "The request body must be a JSON object");
  }
  return { bytes, fields: value as Record<string, unknown> }; // Checked: an object that is no array.
}

/** A field that must be a non-empty string when it is there. */
export function stringField(fields: JsonBody["fields"], ...names: readonly string[]): string | undefined {
  const name = names.find((candidate) => fields[candidate] !== undefined && fields[candidate] !== null);
  if (name === undefined) return undefined;
  const value = fields[name];
  if (typeof value === "string" && value !== "") return value;
  throw new RouterError("INVALID_REQUEST", `The field ${name} must be a non-empty string`);
}
