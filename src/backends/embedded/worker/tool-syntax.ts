/** One part of a written tool call, in order. */
export type CallPart =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "name" }
  | { readonly kind: "id" }
  /** The arguments as one JSON object. */
  | { readonly kind: "arguments" }
  /** A running number. */
  | { readonly kind: "index" }
  /** The arguments one by one between tags: strings as they are, everything else as JSON. */
  | { readonly kind: "tagged-arguments"; readonly tags: ArgumentTags };

/** `<parameter=NAME>\nVALUE\n</parameter>` with a gap between two of them. */
export interface ArgumentTags {
  readonly beforeName: string;
  readonly beforeValue: string;
  readonly afterValue: string;
  readonly separator: string;
}

/** How a model's chat template writes tool calls: `start call (separator call)* end`. */
export interface ToolSyntax {
  readonly start: string;
  readonly call: readonly CallPart[];
  /** Absent when the template cannot write two calls in one message. */
  readonly separator: string | undefined;
  readonly end: string;
  /** What the template expects of earlier calls: arguments as an object, or as JSON text. */
  readonly argumentsAs: "object" | "text";
}

export interface SyntaxProbe {
  /** Renders the chat template; `undefined` when it raises an error. */
  readonly render: (messages: readonly unknown[], tools: readonly unknown[]) => string | undefined;
  /** Whether this tag is the token with which the model ends its answer: the template writes it, a parser never sees it. */
  readonly isEndOfAnswer: (tag: string) => boolean;
}

const NAMES = ["probe_alpha", "probe_beta"] as const;
/** Nine letters and digits: Mistral's templates accept no other ids. */
const IDS = ["idprobe01", "idprobe02"] as const;
const KEYS = ["key_alpha", "key_beta"] as const;
const VALUES = ["value_gamma", "value_delta"] as const;
const CONTENT = "QQCONTENTQQ";

/**
 * Finds out how a template writes tool calls by rendering a few conversations and comparing them, so that no list of model families
 * is needed. `undefined` when it cannot write any, or in a way that this reads not (calls as program text, names as keys).
 */
export function detectToolSyntax(probe: SyntaxProbe): ToolSyntax | undefined {
  const asObject = renderedCalls(probe, [callOf(0, "object", 1)]);
  // A template that expects text prints an object in the manner of Python, or refuses it.
  if (asObject === undefined || PYTHON_ARGUMENTS.test(asObject)) return detectWith(probe, "text");
  return detectWith(probe, "object");
}

/** Whether a template writes the arguments of earlier calls out of an object, rather than inserting text. */
export function takesObjectArguments(probe: SyntaxProbe): boolean {
  const asObject = renderedCalls(probe, [callOf(0, "object", 1)]);
  return asObject?.includes(VALUES[0]) === true && !PYTHON_ARGUMENTS.test(asObject);
}

function detectWith(probe: SyntaxProbe, argumentsAs: "object" | "text"): ToolSyntax | undefined {
  const one = renderedCalls(probe, [callOf(0, argumentsAs, 1)]);
  const shape = one === undefined ? undefined : shapeOf(one);
  if (shape === undefined) return undefined;
  const two = renderedCalls(probe, [callOf(0, argumentsAs, 1), callOf(1, argumentsAs, 1)]);
  const frame = frameOf(shape, two);
  const middle = partsOfMiddle(shape, () => renderedCalls(probe, [callOf(0, argumentsAs, 2)]));
  if (middle === undefined || (frame.start + frame.callStart).trim() === "") return undefined;
  const afterArguments = frame.callEnd.slice(middle.consumed);
  const call = [...partsOf(frame.callStart), { kind: "name" } as const, ...middle.parts, ...partsOf(afterArguments)];
  return { start: frame.start, call, separator: frame.separator, end: frame.end, argumentsAs };
}

function callOf(index: 0 | 1, argumentsAs: "object" | "text", argumentCount: 1 | 2): unknown {
  const args = Object.fromEntries(KEYS.slice(0, argumentCount).map((key, i) => [key, VALUES[i]]));
  return {
    id: IDS[index],
    type: "function",
    function: { name: NAMES[index], arguments: argumentsAs === "object" ? args : JSON.stringify(args) },
  };
}

const TOOLS = NAMES.map((name) => ({
  type: "function",
  function: {
    name,
    description: "A probe",
    parameters: { type: "object", properties: Object.fromEntries(KEYS.map((key) => [key, { type: "string", description: "A key" }])) },
  },
}));

/** What the template writes for these calls in the place where it would write content. */
function renderedCalls({ render, isEndOfAnswer }: SyntaxProbe, calls: readonly unknown[]): string | undefined {
  const user = { role: "user", content: "Hi" };
  const plain = render([user, { role: "assistant", content: CONTENT }], TOOLS);
  const withCalls = render([user, { role: "assistant", content: "", tool_calls: calls }], TOOLS);
  const contentAt = plain?.lastIndexOf(CONTENT) ?? -1;
  if (plain === undefined || withCalls === undefined || contentAt === -1) return undefined;
  const before = beforeTag(withCalls, Math.min(commonPrefixLength(plain, withCalls), contentAt));
  const after = Math.min(commonSuffixLength(plain, withCalls), plain.length - contentAt - CONTENT.length, withCalls.length - before);
  let span = withCalls.slice(before, afterTag(withCalls, withCalls.length - after));
  for (const { 0: tag, index } of span.matchAll(TAG)) {
    if (!isEndOfAnswer(tag)) continue;
    span = span.slice(0, index);
    break;
  }
  return span.includes(NAMES[0]) ? span : undefined;
}

/** What a model knows as one thing, and no cut may fall into. */
const TAG = /<[^<>\s]+>|\[[A-Z_]+\]/g;

const tagAround = (text: string, at: number): RegExpMatchArray | undefined =>
  [...text.matchAll(TAG)].find(({ 0: tag, index }) => index < at && at < index + tag.length);

const beforeTag = (text: string, at: number): number => tagAround(text, at)?.index ?? at;

function afterTag(text: string, at: number): number {
  const found = tagAround(text, at);
  return found?.index === undefined ? at : found.index + found[0].length;
}

interface Shape {
  /** Up to the name, between name and arguments, after the arguments. */
  readonly before: string;
  readonly between: string;
  readonly after: string;
  /** The arguments as written when they are one JSON object. */
  readonly json: string | undefined;
}

const PYTHON_ARGUMENTS = new RegExp(String.raw`\{\s*'${KEYS[0]}'\s*:`);
const JSON_ARGUMENTS = new RegExp(String.raw`\{\s*"${KEYS[0]}"\s*:\s*"${VALUES[0]}"\s*\}`);

function shapeOf(span: string): Shape | undefined {
  const nameAt = span.indexOf(NAMES[0]);
  const nameEnd = nameAt + NAMES[0].length;
  // A second mention (an id such as `functions.NAME:0`, a closing tag) is a style of its own.
  if (span.includes(NAMES[0], nameEnd)) return undefined;
  const json = JSON_ARGUMENTS.exec(span.slice(nameEnd));
  if (json !== null) {
    const end = nameEnd + json.index + json[0].length;
    return { before: span.slice(0, nameAt), between: span.slice(nameEnd, nameEnd + json.index), after: span.slice(end), json: json[0] };
  }
  const keyAt = span.indexOf(KEYS[0], nameEnd);
  const valueAt = span.indexOf(VALUES[0], keyAt);
  if (keyAt === -1 || valueAt === -1 || /["\\]$/.test(span.slice(0, keyAt))) return undefined;
  return {
    before: span.slice(0, nameAt),
    between: span.slice(nameEnd, keyAt),
    after: span.slice(valueAt + VALUES[0].length),
    json: undefined,
  };
}

interface Frame {
  readonly start: string;
  readonly callStart: string;
  readonly callEnd: string;
  readonly separator: string | undefined;
  readonly end: string;
}

/** Tells what is written once from what is written for each call, by a rendering of two calls. */
function frameOf(shape: Shape, two: string | undefined): Frame {
  const alone = { start: "", callStart: shape.before, callEnd: shape.after, separator: undefined, end: "" };
  const firstEnd = two === undefined ? -1 : two.indexOf(VALUES[0]);
  const secondAt = two?.indexOf(NAMES[1]) ?? -1;
  if (two === undefined || firstEnd === -1 || secondAt < firstEnd || !two.startsWith(shape.before + NAMES[0])) return alone;
  const tail = shape.json === undefined ? "" : shape.json.slice(shape.json.indexOf(VALUES[0]) + VALUES[0].length);
  const middle = neutralIds(two.slice(firstEnd + VALUES[0].length + tail.length, secondAt));
  const before = neutralIds(shape.before);
  const after = neutralIds(shape.after);
  const startLength = afterTag(before, before.length - commonSuffixLength(before, middle));
  const rest = middle.slice(0, middle.length - (before.length - startLength));
  const endLength = beforeTag(after, commonPrefixLength(after, rest));
  return {
    start: shape.before.slice(0, startLength),
    callStart: shape.before.slice(startLength),
    callEnd: shape.after.slice(0, endLength),
    separator: rest.slice(endLength),
    end: shape.after.slice(endLength),
  };
}

/** Ids and running numbers of the second call as those of the first, so that the two can be compared. */
const neutralIds = (text: string): string => text.replaceAll(IDS[1], IDS[0]).replaceAll(RUNNING_NUMBER, "0");

/** `"tool_call_id": "0"`, `functions.NAME:0`, `index="1"`. */
const RUNNING_NUMBER = /(?<=[":=])[012](?=["<])/g;

interface Middle {
  /** From the name up to the last argument. */
  readonly parts: readonly CallPart[];
  /** How much of the text after the last argument belongs to that argument. */
  readonly consumed: number;
}

function partsOfMiddle(shape: Shape, renderTwoArguments: () => string | undefined): Middle | undefined {
  if (shape.json !== undefined) return { parts: [...partsOf(shape.between), { kind: "arguments" }], consumed: 0 };
  const two = renderTwoArguments();
  if (two === undefined) return undefined;
  const [firstKey, firstValue, secondKey] = [KEYS[0], VALUES[0], KEYS[1]].map((text) => two.indexOf(text));
  if (firstKey === undefined || firstValue === undefined || secondKey === undefined || firstKey === -1 || secondKey < firstValue)
    return undefined;
  const beforeValue = two.slice(firstKey + KEYS[0].length, firstValue);
  // What stands between a value and the next key: the end of one argument, a separator, the begin of the next.
  const gap = two.slice(firstValue + VALUES[0].length, secondKey);
  const tagAt = shape.between.lastIndexOf("<");
  const beforeName = shape.between.slice(tagAt);
  const gapTagAt = gap.lastIndexOf(beforeName);
  const afterValue = gap.slice(0, gapTagAt).trimEnd();
  if (tagAt === -1 || gapTagAt === -1 || afterValue === "" || afterValue.includes(KEYS[0]) || !shape.after.startsWith(afterValue))
    return undefined;
  const tags: ArgumentTags = { beforeName, beforeValue, afterValue, separator: gap.slice(afterValue.length, gapTagAt) };
  return { parts: [...partsOf(shape.between.slice(0, tagAt)), { kind: "tagged-arguments", tags }], consumed: afterValue.length };
}

/** A literal with the ids and running numbers in it taken out. */
function partsOf(text: string): readonly CallPart[] {
  const parts: CallPart[] = [];
  const pieces = text.split(new RegExp(`(${IDS[0]}|${RUNNING_NUMBER.source})`));
  for (const [i, piece] of pieces.entries()) {
    if (i % 2 === 1) parts.push({ kind: piece === IDS[0] ? "id" : "index" });
    else if (piece !== "") parts.push({ kind: "literal", text: piece });
  }
  return parts;
}

function commonPrefixLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}

function commonSuffixLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a[a.length - 1 - length] === b[b.length - 1 - length]) length++;
  return length;
}
