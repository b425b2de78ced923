import { expect, test } from "bun:test";
import { RouterError } from "../../errors.ts";
import {
  flattenImage,
  parseGgufBeginning,
  parseGgufHeader,
  writeGguf,
  type GgufHeader,
  type GgufValue,
  type ParseHeaderOptions,
} from "./index.ts";

/** Parses bytes in memory, handing out at most `windowBytes` more than what was asked for. */
function parse(bytes: Uint8Array, { windowBytes = 64, ...options }: ParseHeaderOptions & { windowBytes?: number } = {}): GgufHeader {
  const parsing = parseGgufHeader({ name: "m.gguf", ...options });
  let step = parsing.next();
  while (!step.done) {
    const { offset, bytes: wanted } = step.value;
    step = parsing.next(bytes.subarray(offset, offset + wanted + windowBytes));
  }
  return step.value;
}

function refusal(bytes: Uint8Array | string, options: ParseHeaderOptions = {}): string {
  try {
    parse(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes, options);
  } catch (error) {
    expect(error).toBeInstanceOf(RouterError);
    expect((error as RouterError).code).toBe("NOT_A_GGUF");
    return (error as RouterError).message;
  }
  throw new Error("the file was accepted");
}

const words = (count: number): string[] => Array.from({ length: count }, (_, i) => `token number ${i}`);

function sample(extra: Record<string, GgufValue> = {}): Uint8Array {
  return flattenImage(
    writeGguf({
      metadata: {
        "general.architecture": { type: "string", value: "llama" },
        "general.name": { type: "string", value: "Größe" },
        "llama.context_length": { type: "u32", value: 4096 },
        "x.signed": { type: "i32", value: -5 },
        "x.big": { type: "u64", value: 2n ** 40n },
        "x.yes": { type: "bool", value: true },
        "x.float": { type: "f32", value: 0.5 },
        "x.short": { type: "i32[]", value: [1, 0, 3] },
        "tokenizer.ggml.tokens": { type: "string[]", value: words(2000) },
        "tokenizer.ggml.scores": { type: "f32[]", value: Array.from({ length: 2000 }, () => 1) },
        ...extra,
      },
      tensors: [
        { name: "token_embd.weight", shape: [32, 10], type: "f16" },
        { name: "blk.0.attn_q.weight", shape: [32, 32], type: "f32" },
      ],
    }),
  );
}

test("every kind of value is read, and long arrays are only counted", () => {
  const { metadata, version } = parse(sample());
  expect(version).toBe(3);
  expect(metadata.get("general.name")).toBe("Größe");
  expect(metadata.get("llama.context_length")).toBe(4096);
  expect(metadata.get("x.signed")).toBe(-5);
  expect(metadata.get("x.big")).toBe(2 ** 40);
  expect(metadata.get("x.yes")).toBe(true);
  expect(metadata.get("x.float")).toBe(0.5);
  expect(metadata.get("x.short")).toEqual({ length: 3, values: [1, 0, 3] });
  expect(metadata.get("tokenizer.ggml.tokens")).toEqual({ length: 2000 });
  expect(metadata.get("tokenizer.ggml.scores")).toEqual({ length: 2000 });
});

test("tensors have their size in values and bytes, and end where the file ends", () => {
  const bytes = sample();
  const { tensors, dataEnd } = parse(bytes, { fileBytes: bytes.length });
  expect(tensors).toEqual([
    { name: "token_embd.weight", type: 1, valueCount: 320, bytes: 640 },
    { name: "blk.0.attn_q.weight", type: 0, valueCount: 1024, bytes: 4096 },
  ]);
  expect(dataEnd).toBe(bytes.length);
});

test("the result does not depend on how the bytes are cut", () => {
  const bytes = sample();
  const whole = parse(bytes, { windowBytes: bytes.length });
  for (const windowBytes of [0, 1, 7, 333, 4096]) expect(parse(bytes, { windowBytes })).toEqual(whole);
});

test("data that is skipped is never asked for", () => {
  const bytes = sample({ "x.long": { type: "f32[]", value: Array.from({ length: 100_000 }, () => 0) } });
  const parsing = parseGgufHeader();
  let read = 0;
  let step = parsing.next();
  while (!step.done) {
    read += step.value.bytes;
    step = parsing.next(bytes.subarray(step.value.offset, step.value.offset + step.value.bytes));
  }
  expect(bytes.length).toBeGreaterThan(400_000);
  expect(read).toBeLessThan(40_000);
});

test("the beginning of a header ends where the tokenizer's entries begin", () => {
  const bytes = sample();
  const parsing = parseGgufBeginning();
  let step = parsing.next();
  let end = 0;
  while (!step.done) {
    const { offset } = step.value;
    end = offset + step.value.bytes;
    step = parsing.next(bytes.subarray(offset, end));
  }
  expect(step.value.get("llama.context_length")).toBe(4096);
  expect(step.value.has("tokenizer.ggml.tokens")).toBe(false);
  expect(end).toBeLessThan(1100);
});

test("version 2 is read like version 3; others are refused", () => {
  const bytes = sample();
  bytes[4] = 2;
  expect(parse(bytes).version).toBe(2);
  for (const version of [0, 1, 4, 77]) {
    bytes[4] = version;
    expect(refusal(bytes)).toContain(`version ${version}`);
  }
});

test("a big-endian file is called that", () => {
  const bytes = sample();
  bytes.set([0, 0, 0, 3], 4);
  expect(refusal(bytes)).toContain("big-endian");
});

test("a header cut at any byte is refused as cut off", () => {
  const bytes = flattenImage(
    writeGguf({
      metadata: { "general.architecture": { type: "string", value: "llama" }, "x.list": { type: "string[]", value: ["a", "b"] } },
      tensors: [{ name: "t", shape: [4], type: "f32" }],
    }),
  );
  const headerBytes = bytes.length - 32;
  for (let length = 4; length < headerBytes - 31; length += 1) expect(refusal(bytes.subarray(0, length))).toContain("cut off");
});

test("a file that ends before its last tensor is refused with both sizes", () => {
  const bytes = sample();
  expect(refusal(bytes, { fileBytes: bytes.length - 1 })).toBe(`m.gguf is cut off: it has ${bytes.length - 1} of ${bytes.length} bytes`);
});

test("absurd counts and lengths are damage, not a reason to wait or to fill memory", () => {
  const manyTensors = sample();
  new DataView(manyTensors.buffer).setBigUint64(8, 2n ** 60n, true);
  expect(refusal(manyTensors)).toContain("damaged");
  const longKey = sample();
  new DataView(longKey.buffer).setBigUint64(24, 2n ** 50n, true);
  expect(refusal(longKey)).toContain("damaged");
  const unknownType = sample();
  new DataView(unknownType.buffer).setUint32(24 + 8 + "general.architecture".length, 99, true);
  expect(refusal(unknownType)).toContain("damaged");
});

test("random damage never does worse than a refusal", () => {
  const bytes = sample();
  // A fixed sequence, so that a failure can be repeated.
  let seed = 12345;
  const random = (below: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
  for (let round = 0; round < 300; round += 1) {
    const copy = bytes.slice();
    for (let i = 0; i < 4; i += 1) copy[random(600)] = random(256);
    try {
      parse(copy, { fileBytes: copy.length });
    } catch (error) {
      expect(error).toBeInstanceOf(RouterError);
    }
  }
});

test("what is no GGUF file is named for what it is", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["", "it is empty"],
    ["<!DOCTYPE html>\n<html><head><title>Access denied</title>", 'an HTML page ("Access denied")'],
    ["\uFEFF  <html><body>Sign in", "an HTML page"],
    ["version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 397808192\n", "a git-lfs pointer: the file itself (397808192 bytes)"],
    ['{"error":"Repository not found"}', 'JSON text: {"error":"Repository not found"}'],
    ["Invalid username or password.", "text: Invalid username or password."],
    ['<?xml version="1.0"?><Error><Code>AccessDenied</Code>', "an XML document"],
    ["PK\u0003\u0004rest", "a ZIP archive"],
    ["tjgg\u0003\u0000", "a GGJT file"],
    ["\u0000".repeat(100), "filled with zeros"],
    ["\u0001\u0002\u0003\u0004\u0005", "bytes 01 02 03 04"],
    ["GGU", "cut off: it has only 3 bytes"],
  ];
  for (const [content, expected] of cases) expect(refusal(content)).toContain(expected);
  const safetensors = Uint8Array.from([16, 0, 0, 0, 0, 0, 0, 0, ...new TextEncoder().encode('{"__metadata__":')]);
  expect(refusal(safetensors)).toContain("a safetensors file");
});

test("half a megabyte of metadata takes a handful of reads", () => {
  const bytes = sample({ "tokenizer.ggml.merges": { type: "string[]", value: words(25_000) } });
  expect(bytes.length).toBeGreaterThan(500_000);
  const parsing = parseGgufHeader();
  let reads = 0;
  let step = parsing.next();
  while (!step.done) {
    reads += 1;
    step = parsing.next(bytes.subarray(step.value.offset, step.value.offset + 65_536));
  }
  expect(reads).toBeLessThan(15);
});
