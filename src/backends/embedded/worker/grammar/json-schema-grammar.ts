import { quoteLiteral, type GrammarRules } from "./grammar-rules.ts";
import { integerRange } from "./integer-range.ts";
import { CHAR, patternGrammar } from "./pattern-grammar.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

/** The same primitives as llama.cpp's converter, so that both engines allow the same texts. */
const PRIMITIVES: Readonly<Record<string, string>> = {
  space: String.raw`| " " | "\n"{1,2} [ \t]{0,20}`,
  boolean: '"true" | "false"',
  null: '"null"',
  "integral-part": "[0] | [1-9] [0-9]{0,15}",
  integer: '"-"? integral-part',
  number: '"-"? integral-part ("." [0-9]{1,16})? ([eE] [-+]? integral-part)?',
  char: CHAR,
  string: String.raw`"\"" char* "\""`,
  array: '"[" space ( value ("," space value)* )? space "]"',
  object: '"{" space ( string ":" space value ("," space string ":" space value)* )? space "}"',
  value: "object | array | string | number | boolean | null",
  date: '[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [1-2] [0-9] | "3" [0-1])',
  time: '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{3})? ("Z" | ("+" | "-") ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])',
  uuid: '[0-9a-fA-F]{8} "-" [0-9a-fA-F]{4} "-" [0-9a-fA-F]{4} "-" [0-9a-fA-F]{4} "-" [0-9a-fA-F]{12}',
};

const FORMATS: Readonly<Record<string, string>> = { date: "date", time: "time", "date-time": 'date "T" time', uuid: "uuid" };

/**
 * Adds rules for JSON texts that follow `schema` and returns the name of the first one. What a grammar cannot say (`not`, `if`,
 * `uniqueItems`, bounds of fractions) is left out; a `$ref` to nowhere throws.
 */
export function addJsonSchema(rules: GrammarRules, schema: unknown, name: string): string {
  return new SchemaWriter(rules, schema).write(schema, name);
}

class SchemaWriter {
  readonly #rules: GrammarRules;
  readonly #root: unknown;
  readonly #references = new Map<string, string>();

  constructor(rules: GrammarRules, root: unknown) {
    this.#rules = rules;
    this.#root = root;
  }

  write(schema: unknown, name: string): string {
    if (!isSchema(schema)) return this.#primitive("value");
    const reference = schema["$ref"];
    if (typeof reference === "string") return this.#reference(reference);
    const body = this.#body(schema, name);
    return /^[a-z-]+$/.test(body) && body in PRIMITIVES ? body : this.#rules.add(name, body);
  }

  #body(schema: JsonSchema, name: string): string {
    if ("const" in schema) return quoteLiteral(JSON.stringify(schema["const"]));
    if (Array.isArray(schema["enum"])) return alternatives(schema["enum"].map((value) => quoteLiteral(JSON.stringify(value))));
    const union = schema["anyOf"] ?? schema["oneOf"];
    if (Array.isArray(union)) {
      return alternatives(union.map((member, i) => this.write(mergeUnionMember(schema, member), `${name}-${i}`)));
    }
    if (Array.isArray(schema["allOf"]))
      return this.#body(
        mergeSchemas(schema, schema["allOf"], (ref) => this.#resolve(ref)),
        name,
      );
    const type = schema["type"] ?? impliedType(schema);
    if (Array.isArray(type))
      return alternatives(type.map((one) => this.write({ ...schema, type: one, nullable: false }, `${name}-${String(one)}`)));
    const body = this.#bodyOfType(schema, type, name);
    return schema["nullable"] === true ? `(${body}) | ${this.#primitive("null")}` : body;
  }

  #bodyOfType(schema: JsonSchema, type: unknown, name: string): string {
    switch (type) {
      case "object":
        return this.#object(schema, name);
      case "array":
        return this.#array(schema, name);
      case "string":
        return this.#string(schema, name);
      case "integer":
        return this.#integer(schema);
      case "number":
      case "boolean":
      case "null":
        return this.#primitive(type);
      default:
        return this.#primitive("value");
    }
  }

  #object(schema: JsonSchema, name: string): string {
    const space = this.#primitive("space");
    const properties = isSchema(schema["properties"]) ? Object.entries(schema["properties"]) : [];
    const extra = schema["additionalProperties"];
    const allowsExtra = extra === true || isSchema(extra);
    if (properties.length === 0 && extra === undefined) return this.#primitive("object");
    const required = new Set(Array.isArray(schema["required"]) ? schema["required"] : []);
    const pairs = properties.map(([key, value]) => ({
      isRequired: required.has(key),
      rule: this.#rules.add(
        `${name}-${key}-kv`,
        `${quoteLiteral(JSON.stringify(key))} ${space} ":" ${space} ${this.write(value, `${name}-${key}`)}`,
      ),
    }));
    const fixed = pairs.filter((pair) => pair.isRequired).map((pair) => pair.rule);
    const optional = pairs.filter((pair) => !pair.isRequired).map((pair) => ({ rule: pair.rule, repeats: false }));
    if (allowsExtra) {
      const value = extra === true ? this.#primitive("value") : this.write(extra, `${name}-additional`);
      optional.push({
        rule: this.#rules.add(`${name}-additional-kv`, `${this.#primitive("string")} ":" ${space} ${value}`),
        repeats: true,
      });
    }
    return `"{" ${space} ${this.#members(fixed, optional, name)} ${space} "}"`;
  }

  /** The required members, then any of the optional ones in their order. */
  #members(fixed: readonly string[], optional: readonly { rule: string; repeats: boolean }[], name: string): string {
    const comma = `"," ${this.#primitive("space")}`;
    const required = fixed.join(` ${comma} `);
    if (optional.length === 0) return required;
    // Each rule says: this member or not, and then the rest; so the rules grow with the members, not with their combinations.
    const rests: string[] = [];
    for (const [i, { rule, repeats }] of [...optional.entries()].toReversed()) {
      const rest = rests[0] ?? "";
      rests.unshift(this.#rules.add(`${name}-rest-${i}`, `(${comma} ${rule})${repeats ? "*" : "?"} ${rest}`.trim()));
    }
    if (required !== "") return `${required} ${rests[0]}`;
    const starts = optional.map(({ rule, repeats }, i) => `${rule} ${repeats ? `(${comma} ${rule})*` : ""} ${rests[i + 1] ?? ""}`.trim());
    return `(${alternatives(starts)})?`;
  }

  #array(schema: JsonSchema, name: string): string {
    const space = this.#primitive("space");
    const comma = `"," ${space}`;
    const tuple = schema["prefixItems"] ?? (Array.isArray(schema["items"]) ? schema["items"] : undefined);
    if (Array.isArray(tuple)) {
      const items = tuple.map((item, i) => this.write(item, `${name}-${i}`)).join(` ${comma} `);
      return `"[" ${space} ${items} ${space} "]"`;
    }
    const item = this.write(schema["items"], `${name}-item`);
    const min = asCount(schema["minItems"]) ?? 0;
    const max = asCount(schema["maxItems"]);
    if (max === 0) return `"[" ${space} "]"`;
    const more = `(${comma} ${item})${repetition(Math.max(min - 1, 0), max === undefined ? undefined : max - 1)}`;
    const items = `${item} ${more}`;
    return `"[" ${space} ${min === 0 ? `(${items})?` : items} ${space} "]"`;
  }

  #string(schema: JsonSchema, name: string): string {
    const { pattern, format } = schema;
    if (typeof pattern === "string") {
      const inner = this.#rules.add(`${name}-pattern`, this.#pattern(pattern));
      return String.raw`"\"" ${inner} "\""`;
    }
    const known = typeof format === "string" ? FORMATS[format] : undefined;
    if (known !== undefined) {
      for (const part of ["date", "time", "uuid"]) if (known.includes(part)) this.#primitive(part);
      return String.raw`"\"" ${known} "\""`;
    }
    const min = asCount(schema["minLength"]);
    const max = asCount(schema["maxLength"]);
    if (min === undefined && max === undefined) return this.#primitive("string");
    return String.raw`"\"" ${this.#primitive("char")}${repetition(min ?? 0, max)} "\""`;
  }

  #pattern(pattern: string): string {
    try {
      return patternGrammar(this.#rules, pattern);
    } catch {
      return `${this.#primitive("char")}*`; // Look-around and its like: the model still sees the pattern in its prompt.
    }
  }

  #integer(schema: JsonSchema): string {
    const low = largest([asNumber(schema["minimum"]), shifted(schema["exclusiveMinimum"], 1)]);
    const high = smallest([asNumber(schema["maximum"]), shifted(schema["exclusiveMaximum"], -1)]);
    return low === undefined && high === undefined ? this.#primitive("integer") : integerRange(low, high);
  }

  #reference(reference: string): string {
    const known = this.#references.get(reference);
    if (known !== undefined) return known;
    const target = this.#resolve(reference);
    const rule = this.#rules.reserve(`ref-${reference.split("/").at(-1) ?? ""}`);
    this.#references.set(reference, rule.name); // Before its content: a schema may refer to itself.
    rule.define(this.write(target, `${rule.name}-body`));
    return rule.name;
  }

  #resolve(reference: string): unknown {
    let target: unknown = this.#root;
    if (!reference.startsWith("#")) throw new Error(`Unsupported ref: ${reference}`);
    for (const segment of reference.slice(1).split("/").filter(Boolean)) {
      const key = decodeURIComponent(segment).replaceAll("~1", "/").replaceAll("~0", "~");
      target = (target as Record<string, unknown> | undefined | null)?.[key];
      if (target === undefined) throw new Error(`Error resolving ref ${reference}: ${key} not in schema`);
    }
    return target;
  }

  /** Adds a primitive and those it is made of. */
  #primitive(name: string): string {
    const body = PRIMITIVES[name] ?? "";
    this.#rules.add(name, body);
    for (const part of PARTS[name] ?? []) if (!this.#rules.has(part)) this.#primitive(part);
    return name;
  }
}

const PARTS: Readonly<Record<string, readonly string[]>> = {
  integer: ["integral-part"],
  number: ["integral-part"],
  string: ["char"],
  array: ["space", "value"],
  object: ["space", "string", "value"],
  value: ["object", "array", "string", "number", "boolean", "null"],
};

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function impliedType(schema: JsonSchema): string | undefined {
  if ("properties" in schema || "additionalProperties" in schema) return "object";
  if ("items" in schema || "prefixItems" in schema) return "array";
  if ("pattern" in schema || "minLength" in schema || "maxLength" in schema) return "string";
  return undefined;
}

/** `{properties, anyOf: [{required}]}`: what stands beside a union holds for each member. */
function mergeUnionMember(schema: JsonSchema, member: unknown): unknown {
  if (!isSchema(member) || !("properties" in schema)) return member;
  const { anyOf: _anyOf, oneOf: _oneOf, ...rest } = schema;
  return mergeSchemas(rest, [member], () => undefined);
}

function mergeSchemas(schema: JsonSchema, members: readonly unknown[], resolve: (reference: string) => unknown): JsonSchema {
  const { allOf: _allOf, ...own } = schema;
  let merged: Record<string, unknown> = { ...own };
  for (const member of members) {
    const found = isSchema(member) && typeof member["$ref"] === "string" ? resolve(member["$ref"]) : member;
    if (!isSchema(found)) continue;
    const inner = Array.isArray(found["allOf"]) ? mergeSchemas(found, found["allOf"], resolve) : found;
    const properties = { ...(merged["properties"] as object | undefined), ...(inner["properties"] as object | undefined) };
    const required = [...((merged["required"] as unknown[] | undefined) ?? []), ...((inner["required"] as unknown[] | undefined) ?? [])];
    merged = { ...merged, ...inner };
    if (Object.keys(properties).length > 0) merged["properties"] = properties;
    if (required.length > 0) merged["required"] = required;
  }
  return merged;
}

const alternatives = (bodies: readonly string[]): string => bodies.join(" | ");
const asNumber = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined);
const asCount = (value: unknown): number | undefined => (Number.isInteger(value) && (value as number) >= 0 ? (value as number) : undefined);
const shifted = (value: unknown, by: number): number | undefined => {
  if (typeof value !== "number") return undefined;
  return Number.isInteger(value) ? value + by : value;
};
const largest = (values: readonly (number | undefined)[]): number | undefined => extreme(values, Math.max);
const smallest = (values: readonly (number | undefined)[]): number | undefined => extreme(values, Math.min);

function extreme(values: readonly (number | undefined)[], pick: (...numbers: number[]) => number): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : pick(...known);
}

function repetition(min: number, max: number | undefined): string {
  if (max === undefined) return min === 0 ? "*" : `{${min},}`;
  return `{${min},${max}}`;
}
