import { expect, test } from "bun:test";
import { AnswerText } from "./answer-text.ts";

const utf8 = new TextEncoder();

/** Each token is one byte; 300 is a control token. */
const BYTES = {
  bytes: (token: number, options?: { showsSpecial?: boolean | undefined }) => {
    if (token === 300) return options?.showsSpecial === true ? utf8.encode("<tag>") : new Uint8Array(0);
    return Uint8Array.of(token);
  },
  tokenize: (text: string) => Array.from(utf8.encode(text)),
};

const answer = (options: { stops?: readonly string[]; shown?: readonly number[] } = {}) =>
  new AnswerText({ vocabulary: BYTES, stops: options.stops ?? [], shownTokens: new Set(options.shown) });

test("a character split over tokens is given out whole", () => {
  const text = answer();
  const pieces = Array.from(utf8.encode("a😀é"), (byte) => text.push(byte).text);
  expect(pieces.join("")).toBe("a😀é");
  for (const piece of pieces) expect(piece).not.toContain("�");
});

test("a character that stays incomplete is a replacement character at the end", () => {
  const text = answer();
  expect(text.push(0xf0).text).toBe("");
  expect(text.end()).toBe("�");
});

test("a stop string with a character split over tokens is found", () => {
  const text = answer({ stops: ["é!"] });
  const found = Array.from(utf8.encode("ok é! more"), (byte) => text.push(byte));
  expect(found.find(({ stoppedBy }) => stoppedBy !== undefined)?.stoppedBy).toBe("é!");
});

test("control tokens are text only where they belong to it", () => {
  expect(answer().push(300).text).toBe("");
  expect(answer({ shown: [300] }).push(300).text).toBe("<tag>");
});

test("the tokens from a place on are those written since, with a cut one cut anew", () => {
  const text = answer({ shown: [300] });
  for (const token of [...utf8.encode("ab"), 300, ...utf8.encode("c")]) text.push(token);
  expect(text.tokensFrom(2)).toEqual([300, 99]);
  expect(text.tokensFrom(4)).toEqual([...utf8.encode("ag>"), 99]);
});
