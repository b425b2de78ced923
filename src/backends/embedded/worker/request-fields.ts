import { invalidRequest } from "./api-error.ts";

export type RequestBody = Readonly<Record<string, unknown>>;

/** `null` counts as absent, everywhere. */
export function field(body: RequestBody, ...names: readonly string[]): { readonly name: string; readonly value: unknown } | undefined {
  for (const name of names) {
    const value = body[name];
    if (value !== undefined && value !== null) return { name, value };
  }
  return undefined;
}

export interface NumberRange {
  /** Values outside are refused. */
  readonly hard?: readonly [min: number, max: number] | undefined;
  /** Values outside are moved to the nearest bound. */
  readonly soft?: readonly [min: number, max: number] | undefined;
}

export function numberField(body: RequestBody, names: readonly string[], range: NumberRange = {}): number | undefined {
  const found = field(body, ...names);
  if (found === undefined) return undefined;
  const { name, value } = found;
  if (typeof value !== "number") throw wrongType(name, "number", value);
  const { hard, soft } = range;
  if (hard !== undefined && (value < hard[0] || value > hard[1])) {
    throw invalidRequest(`Field '${name}': Value must be between ${hard[0]} <= value <= ${hard[1]}, but got ${value}`);
  }
  return soft === undefined ? value : Math.min(Math.max(value, soft[0]), soft[1]);
}

export function booleanField(body: RequestBody, name: string): boolean | undefined {
  const found = field(body, name);
  if (found === undefined) return undefined;
  if (typeof found.value !== "boolean") throw wrongType(name, "boolean", found.value);
  return found.value;
}

export function textField(body: RequestBody, name: string): string | undefined {
  const found = field(body, name);
  if (found === undefined) return undefined;
  if (typeof found.value !== "string") throw wrongType(name, "string", found.value);
  return found.value;
}

export function objectField(body: RequestBody, name: string): RequestBody | undefined {
  const found = field(body, name);
  if (found === undefined) return undefined;
  if (!isObject(found.value)) throw wrongType(name, "object", found.value);
  return found.value;
}

export function isObject(value: unknown): value is RequestBody {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrongType(name: string, expected: string, value: unknown): Error {
  const actual = Array.isArray(value) ? "array" : typeof value;
  return invalidRequest(`Field '${name}': [json.exception.type_error.302] type must be ${expected}, but is ${actual}`);
}
