import { expect, test } from "bun:test";
import { parseBuildProgress } from "./build-progress.ts";

test("a line of ninja gives the finished part", () => {
  expect(parseBuildProgress("[51/204] Building CXX object src/CMakeFiles/llama.dir/llama.cpp.o")).toBe(0.25);
  expect(parseBuildProgress("[204/204] Linking CXX executable bin/llama-server")).toBe(1);
});

test("a line of make gives the finished part", () => {
  expect(parseBuildProgress("[  7%] Building C object ggml/src/CMakeFiles/ggml-base.dir/ggml.c.o")).toBe(0.07);
  expect(parseBuildProgress("[100%] Built target llama-server")).toBe(1);
});

test("other lines say nothing about progress", () => {
  for (const line of ["", "-- Detecting CXX compiler ABI info - done", "[0/0] nothing", "[5/4] odd", "warning: [1/2] inside", "[x%] y"]) {
    expect(parseBuildProgress(line)).toBeUndefined();
  }
});
