import { expect, test } from "bun:test";
import { splitArguments } from "../../platform/index.ts";
import { KNOWN_OPTIONS, optionName, parseOptionsHelp, TUNING_OPTIONS, wordBeyondTuning } from "./index.ts";

const refused = (line: string) => wordBeyondTuning(splitArguments(line));

test("options that tune a model pass in every spelling, with their values", () => {
  for (const line of [
    "-t 4 --threads-batch 8",
    "-fa on --no-warmup -nkvo",
    "-n -1 --temp .5 --reasoning-budget -1",
    "-ot 'exps=CPU'",
    "",
  ]) {
    expect([line, refused(line)]).toEqual([line, undefined]);
  }
});

test("whatever reads, writes, runs or listens does not, nor what only resembles an option", () => {
  for (const word of ["--log-file", "--log_file", "--mcp-servers-json", "--tools", "-ag", "--lora", "-jf", "--api-key", "--path", "-hf"]) {
    expect(refused(`--threads 2 ${word} value`)).toBe(word);
    // As a value the engine would take it, but which words are values is the engine's to say.
    expect(refused(`--samplers ${word}`)).toBe(word);
  }
  for (const word of ["--threads=2", "---threads", "threads", "-threads", "--", "--unheard-of", "-1x"]) {
    expect(refused(word)).toBe(word.startsWith("-") ? word : undefined);
  }
});

test("every tuning option is one of the engine, under its own name", () => {
  const names = new Set(parseOptionsHelp(KNOWN_OPTIONS).map(optionName));
  expect([...TUNING_OPTIONS].filter((name) => !names.has(name))).toEqual([]);
});
