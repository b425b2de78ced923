import { RouterError } from "../../errors.ts";
import { ByteCursor, type Parsing } from "./byte-cursor.ts";
import { requireGgufStart, SNIFFED_BYTES } from "./foreign-file.ts";
import { tensorBytes } from "./tensor-types.ts";

export interface GgufArrayValue {
  readonly length: number;
  /** The elements of a short array; vocabularies and other long ones are only counted. */
  readonly values?: readonly GgufScalarValue[] | undefined;
}

export type GgufScalarValue = string | number | boolean;
export type GgufMetadata = ReadonlyMap<string, GgufScalarValue | GgufArrayValue>;

export interface GgufTensorInfo {
  readonly name: string;
  /** Code of `enum ggml_type`. */
  readonly type: number;
  /** Values in all dimensions together. */
  readonly valueCount: number;
  readonly bytes: number;
}

export interface GgufHeader {
  readonly version: number;
  readonly metadata: GgufMetadata;
  readonly tensors: readonly GgufTensorInfo[];
  /** Where the tensor data begins. */
  readonly dataOffset: number;
  /** Where it ends, which is the least size the file may have. */
  readonly dataEnd: number;
}

export interface ParseHeaderOptions {
  /** How errors call the file. */
  readonly name?: string | undefined;
  /** Size of the file; a file too short for its tensors is refused when it is given. */
  readonly fileBytes?: number | undefined;
}

/** Arrays up to this length keep their elements: one number per layer is the longest that matters. */
const KEPT_ELEMENTS = 1024;
/** Longest string that is kept; a chat template has a few ten thousand characters. */
const KEPT_STRING_BYTES = 1 << 20;
/** No real header comes near; a count beyond it is damage, not data to wait for. */
const MOST_ENTRIES = 1 << 20;
const DEFAULT_ALIGNMENT = 32;
const STRING = 8;
const ARRAY = 9;

type ScalarReader = readonly [bytes: number, read: (cursor: ByteCursor) => GgufScalarValue];

/** By code of `enum gguf_type`; strings (8) and arrays (9) have no fixed size. */
const SCALARS: Readonly<Record<number, ScalarReader>> = {
  0: [1, (cursor) => cursor.u8()],
  1: [1, (cursor) => cursor.i8()],
  2: [2, (cursor) => cursor.u16()],
  3: [2, (cursor) => cursor.i16()],
  4: [4, (cursor) => cursor.u32()],
  5: [4, (cursor) => cursor.i32()],
  6: [4, (cursor) => cursor.f32()],
  7: [1, (cursor) => cursor.u8() !== 0],
  10: [8, (cursor) => cursor.u64()],
  11: [8, (cursor) => cursor.i64()],
  12: [8, (cursor) => cursor.f64()],
};

/**
 * Parses the header of a GGUF file (versions 2 and 3). A generator: it yields which bytes it needs and is resumed with them, so the
 * caller may read from a file, a socket or memory, holds one window at a time, and never reads what is skipped.
 * @throws {@link RouterError} `NOT_A_GGUF`, with a sentence that says what the file is instead.
 */
export function* parseGgufHeader({ name = "The file", fileBytes }: ParseHeaderOptions = {}): Parsing<GgufHeader> {
  const { version, tensorCount, pairCount, cursor } = yield* readStart(name, fileBytes);
  const metadata = yield* readPairs(cursor, { name, pairCount });
  const tensors: { name: string; type: number; valueCount: number; offset: number }[] = [];
  for (let i = 0; i < tensorCount; i += 1) {
    const tensor = yield* readString(cursor, name);
    if (!cursor.has(4)) yield* cursor.fill(4);
    const dimensions = cursor.u32();
    if (dimensions > 8) throw damaged(name, `tensor ${tensor} has ${dimensions} dimensions`);
    if (!cursor.has(dimensions * 8 + 12)) yield* cursor.fill(dimensions * 8 + 12);
    let valueCount = 1;
    for (let d = 0; d < dimensions; d += 1) valueCount *= cursor.u64();
    tensors.push({ name: tensor, type: cursor.u32(), valueCount, offset: cursor.u64() });
  }
  return layOut(cursor.position, { version, metadata, tensors }, { name, fileBytes });
}

/**
 * Only the entries before the tokenizer's: architecture, sizes, pooling. A few hundred bytes at the beginning of a file, for lists of
 * thousands of models.
 * @throws {@link RouterError} `NOT_A_GGUF`
 */
export function* parseGgufBeginning({ name = "The file", fileBytes }: ParseHeaderOptions = {}): Parsing<GgufMetadata> {
  const { pairCount, cursor } = yield* readStart(name, fileBytes);
  return yield* readPairs(cursor, { name, pairCount, endsBefore: "tokenizer." });
}

interface Start {
  readonly version: number;
  readonly tensorCount: number;
  readonly pairCount: number;
  readonly cursor: ByteCursor;
}

function* readStart(name: string, fileBytes: number | undefined): Parsing<Start> {
  const version = yield* checkStart(name, fileBytes);
  const cursor = new ByteCursor(name);
  cursor.skip(8);
  yield* cursor.fill(16);
  const tensorCount = cursor.u64();
  const pairCount = cursor.u64();
  if (tensorCount > MOST_ENTRIES || pairCount > MOST_ENTRIES)
    throw damaged(name, `it claims ${tensorCount} tensors and ${pairCount} entries`);
  return { version, tensorCount, pairCount, cursor };
}

function* readPairs(
  cursor: ByteCursor,
  { name, pairCount, endsBefore }: { readonly name: string; readonly pairCount: number; readonly endsBefore?: string },
): Parsing<GgufMetadata> {
  const metadata = new Map<string, GgufScalarValue | GgufArrayValue>();
  for (let i = 0; i < pairCount; i += 1) {
    const key = yield* readString(cursor, name);
    if (endsBefore !== undefined && key.startsWith(endsBefore)) break;
    if (!cursor.has(4)) yield* cursor.fill(4);
    metadata.set(key, yield* readValue(cursor, cursor.u32(), { name, key }));
  }
  return metadata;
}

function* checkStart(name: string, fileBytes: number | undefined): Parsing<number> {
  const start = yield { offset: 0, bytes: Math.min(SNIFFED_BYTES, fileBytes ?? SNIFFED_BYTES) };
  requireGgufStart(name, start);
  if (start.length < 24) throw new RouterError("NOT_A_GGUF", `${name} is cut off: it has only ${start.length} bytes`);
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const version = view.getUint32(4, true);
  if ((version & 0xffff) === 0 && version !== 0) {
    throw new RouterError("NOT_A_GGUF", `${name} is a big-endian GGUF file, which engines on this machine cannot read`);
  }
  if (version !== 2 && version !== 3) {
    throw new RouterError("NOT_A_GGUF", `${name} has GGUF version ${version}; versions 2 and 3 are known`);
  }
  return version;
}

const damaged = (name: string, what: string): RouterError =>
  new RouterError("NOT_A_GGUF", `The header of ${name} is damaged: ${what}`, { hint: "Download it again." });

function* readString(cursor: ByteCursor, name: string): Parsing<string> {
  if (!cursor.has(8)) yield* cursor.fill(8);
  const bytes = cursor.u64();
  if (bytes > KEPT_STRING_BYTES) throw damaged(name, `a name of ${bytes} bytes`);
  if (!cursor.has(bytes)) yield* cursor.fill(bytes);
  return cursor.text(bytes);
}

interface Place {
  readonly name: string;
  readonly key: string;
}

function* readValue(cursor: ByteCursor, type: number, { name, key }: Place): Parsing<GgufScalarValue | GgufArrayValue> {
  const scalar = SCALARS[type];
  if (scalar) {
    if (!cursor.has(scalar[0])) yield* cursor.fill(scalar[0]);
    return scalar[1](cursor);
  }
  if (type === STRING) {
    if (!cursor.has(8)) yield* cursor.fill(8);
    const bytes = cursor.u64();
    if (bytes > KEPT_STRING_BYTES) {
      cursor.skip(bytes);
      return "";
    }
    if (!cursor.has(bytes)) yield* cursor.fill(bytes);
    return cursor.text(bytes);
  }
  if (type !== ARRAY) throw damaged(name, `entry ${key} has the unknown type ${type}`);
  if (!cursor.has(12)) yield* cursor.fill(12);
  const elementType = cursor.u32();
  const length = cursor.u64();
  return yield* readArray(cursor, { elementType, length }, { name, key });
}

function* readArray(
  cursor: ByteCursor,
  { elementType, length }: { readonly elementType: number; readonly length: number },
  { name, key }: Place,
): Parsing<GgufArrayValue> {
  const scalar = SCALARS[elementType];
  if (scalar) {
    const [bytes, read] = scalar;
    if (length > KEPT_ELEMENTS) {
      cursor.skip(length * bytes);
      return { length };
    }
    if (!cursor.has(length * bytes)) yield* cursor.fill(length * bytes);
    return { length, values: Array.from({ length }, () => read(cursor)) };
  }
  if (elementType !== STRING) throw damaged(name, `entry ${key} has elements of the unknown type ${elementType}`);
  if (length <= KEPT_ELEMENTS) {
    const values: string[] = [];
    for (let i = 0; i < length; i += 1) values.push(yield* readString(cursor, name));
    return { length, values };
  }
  // The vocabulary: strings are stepped over by their lengths, none is built.
  for (let left = length; left > 0;) {
    if (!cursor.has(8)) yield* cursor.fill(8);
    left -= cursor.skipStrings(left);
  }
  return { length };
}

interface ParsedParts {
  readonly version: number;
  readonly metadata: GgufMetadata;
  readonly tensors: readonly { readonly name: string; readonly type: number; readonly valueCount: number; readonly offset: number }[];
}

/** Gives every tensor its size, and checks the end of the last one against the size of the file. */
function layOut(
  headerEnd: number,
  { version, metadata, tensors }: ParsedParts,
  { name, fileBytes }: { name: string; fileBytes: number | undefined },
): GgufHeader {
  const stated = metadata.get("general.alignment");
  const alignment = typeof stated === "number" && stated > 0 ? stated : DEFAULT_ALIGNMENT;
  const dataOffset = tensors.length === 0 ? headerEnd : Math.ceil(headerEnd / alignment) * alignment;
  const offsets = tensors.map((tensor) => tensor.offset).toSorted((a, b) => a - b);
  const following = new Map(offsets.map((offset, i) => [offset, offsets[i + 1]]));
  const infos = tensors.map(({ name, type, valueCount, offset }): GgufTensorInfo => {
    // A type newer than this table: its data reaches to the next tensor, or to the end of the file.
    const end = following.get(offset) ?? (fileBytes === undefined ? offset : fileBytes - dataOffset);
    return { name, type, valueCount, bytes: tensorBytes(type, valueCount) ?? Math.max(0, end - offset) };
  });
  const dataEnd = dataOffset + infos.reduce((end, info, i) => Math.max(end, (tensors[i]?.offset ?? 0) + info.bytes), 0);
  if (fileBytes !== undefined && fileBytes < dataEnd) {
    throw new RouterError("NOT_A_GGUF", `${name} is cut off: it has ${fileBytes} of ${dataEnd} bytes`, { hint: "Download it again." });
  }
  return { version, metadata, tensors: infos, dataOffset, dataEnd };
}
