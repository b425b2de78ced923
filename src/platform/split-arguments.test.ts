import { expect, test } from "bun:test";
import { splitArguments } from "./split-arguments.ts";

test("blanks of any kind and number separate words", () => {
  expect(splitArguments("  --ctx-size 2048\t--seed\n 42 ")).toEqual(["--ctx-size", "2048", "--seed", "42"]);
  expect(splitArguments(" \t ")).toEqual([]);
});

test("quotes group, may begin within a word and are removed", () => {
  expect(splitArguments(`--path "/a folder/x" --name='two words' --grammar 'say "hi"'`)).toEqual([
    "--path",
    "/a folder/x",
    "--name=two words",
    "--grammar",
    'say "hi"',
  ]);
});

test("an empty pair of quotes is an empty word", () => {
  expect(splitArguments(`--prefix "" x`)).toEqual(["--prefix", "", "x"]);
});

test("a backslash is an ordinary character, so that Windows paths survive", () => {
  expect(splitArguments(String.raw`--model C:\models\a.gguf`)).toEqual(["--model", String.raw`C:\models\a.gguf`]);
});

test("a quote that is not closed is refused and named", () => {
  expect(() => splitArguments("--name 'x")).toThrow("A quote (') is not closed");
});
