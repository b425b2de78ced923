import { expect, test } from "bun:test";
import { StopScanner } from "./stop-scanner.ts";

/** Feeds a text in two pieces, cut at every place in turn, and one character at a time. */
function* allCuts(text: string): Generator<readonly string[]> {
  for (let at = 0; at <= text.length; at++) yield [text.slice(0, at), text.slice(at)];
  yield Array.from(text);
}

function scan(stops: readonly string[], pieces: readonly string[]): { text: string; stoppedBy: string | undefined } {
  const scanner = new StopScanner(stops);
  let text = "";
  for (const piece of pieces) {
    const found = scanner.push(piece);
    text += found.text;
    if (found.stoppedBy !== undefined) return { text, stoppedBy: found.stoppedBy };
  }
  return { text: text + scanner.end(), stoppedBy: undefined };
}

test("a stop string ends the text and is not part of it, wherever the pieces are cut", () => {
  for (const pieces of allCuts("one two END three")) {
    expect(scan(["END"], pieces)).toEqual({ text: "one two ", stoppedBy: "END" });
  }
});

test("the earliest of several stop strings decides, wherever the pieces are cut", () => {
  for (const pieces of allCuts("a bb ccc")) expect(scan(["ccc", "bb"], pieces)).toEqual({ text: "a ", stoppedBy: "bb" });
});

test("what only begins like a stop string is given out in the end", () => {
  for (const pieces of allCuts("an EN, an E")) expect(scan(["END", "E!"], pieces)).toEqual({ text: "an EN, an E", stoppedBy: undefined });
});

test("a stop string whose begin repeats is found", () => {
  for (const pieces of allCuts("aaab")) expect(scan(["aab"], pieces)).toEqual({ text: "a", stoppedBy: "aab" });
});

test("text that cannot become a stop string is not held back", () => {
  const scanner = new StopScanner(["stop"]);
  expect(scanner.push("hello s").text).toBe("hello ");
  expect(scanner.push("o").text).toBe("so");
});

test("an empty stop string stops nothing", () => {
  expect(scan([""], ["text"])).toEqual({ text: "text", stoppedBy: undefined });
});
