import { expect, test } from "bun:test";
import { tokenBytesOf } from "./token-bytes.ts";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const NORMAL = 4;
const CONTROL = 8;
const USER_DEFINED = 16;
const BYTE = 32;
const SPM = 1;
const BPE = 2;
const RWKV = 5;

test("a byte-level vocabulary keeps the space before punctuation", () => {
  const bytesOf = tokenBytesOf(BPE, { writesSpaceAsBlock: false });
  expect(text(bytesOf({ text: "Ġ.", attributes: NORMAL }))).toBe(" .");
  expect(text(bytesOf({ text: "ĊĠĠ", attributes: NORMAL }))).toBe("\n  ");
});

test("half a character of a byte-level vocabulary is its bytes", () => {
  const bytesOf = tokenBytesOf(BPE, { writesSpaceAsBlock: false });
  expect([...bytesOf({ text: "ðŁĺ", attributes: NORMAL })]).toEqual([0xf0, 0x9f, 0x98]);
});

test("a sentence-piece vocabulary writes spaces as blocks and single bytes by name", () => {
  const bytesOf = tokenBytesOf(SPM, { writesSpaceAsBlock: true });
  expect(text(bytesOf({ text: "▁Hello", attributes: NORMAL }))).toBe(" Hello");
  expect([...bytesOf({ text: "<0xE2>", attributes: BYTE })]).toEqual([0xe2]);
});

test("added tokens stand for themselves, with every vocabulary", () => {
  for (const type of [SPM, BPE]) {
    expect(text(tokenBytesOf(type, { writesSpaceAsBlock: false })({ text: "<tool_call>", attributes: USER_DEFINED }))).toBe("<tool_call>");
  }
});

test("a control token stands for nothing unless it is asked for", () => {
  const bytesOf = tokenBytesOf(BPE, { writesSpaceAsBlock: false });
  expect(text(bytesOf({ text: "<|im_end|>", attributes: CONTROL }))).toBe("");
  expect(text(bytesOf({ text: "<|im_end|>", attributes: CONTROL }, { showsSpecial: true }))).toBe("<|im_end|>");
});

test("escapes of an RWKV vocabulary are bytes", () => {
  const bytesOf = tokenBytesOf(RWKV, { writesSpaceAsBlock: false });
  expect(text(bytesOf({ text: String.raw`a\n\\\x41`, attributes: NORMAL }))).toBe("a\n\\A");
  expect([...bytesOf({ text: String.raw`\xe4\xb8`, attributes: NORMAL })]).toEqual([0xe4, 0xb8]);
});
