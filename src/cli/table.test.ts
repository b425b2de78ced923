import { expect, test } from "bun:test";
import { formatTable } from "./table.ts";

const HEADINGS = ["Model Name", "Downloaded", "Details"];
const LONG = "Devstral-Small-2507-with-a-long-name-GGUF";
const ROWS = [
  [LONG, "Yes", "vision, tool-calling, reasoning, coding, hot"],
  ["tiny", "No", "-"],
];

const linesOf = (maxWidth?: number): string[] => formatTable(HEADINGS, ROWS, { maxWidth }).split("\n");

test("without a limit every column is as wide as its widest cell, and at least its heading and two blanks", () => {
  expect(linesOf()).toEqual([
    "Model Name                                 Downloaded    Details",
    `${"-".repeat(41)}  ------------  ${"-".repeat(44)}`,
    `${LONG}  Yes           vision, tool-calling, reasoning, coding, hot`,
    "tiny                                       No            -",
  ]);
});

test("on a narrow terminal the last column gives way, so that names can be read and typed", () => {
  const lines = linesOf(80);
  expect(Math.max(...lines.map((line) => line.length))).toBe(80);
  expect(lines[2]).toBe(`${LONG}  Yes           vision, tool-calling, …`);
});

test("names give way only when nothing else can", () => {
  expect(linesOf(48)[2]).toBe("Devstral-Small-2507-wi…  Yes           vision, …");
});

test("letters that are more than one code point are kept whole", () => {
  expect(formatTable(["N"], [["👩‍🚀👩‍🚀👩‍🚀👩‍🚀👩‍🚀"]], { maxWidth: 3 }).split("\n")[2]).toBe("👩‍🚀👩‍🚀…");
});
