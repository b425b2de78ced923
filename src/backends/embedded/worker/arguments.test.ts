import { expect, test } from "bun:test";
import { parseWorkerArguments } from "./arguments.ts";

const NEEDED = ["--engine", "/engine", "--model", "/m.gguf"];

test("only the engine and the model are needed", () => {
  expect(parseWorkerArguments(NEEDED)).toMatchObject({
    engine: "/engine",
    model: "/m.gguf",
    alias: "/m.gguf",
    host: "127.0.0.1",
    slots: 1,
    mode: "text",
  });
  expect(() => parseWorkerArguments(["--engine", "/engine"])).toThrow("--model is missing");
});

test("short names, long names and values behind an equals sign mean the same", () => {
  expect(parseWorkerArguments([...NEEDED, "-c", "512"]).contextTokens).toBe(512);
  expect(parseWorkerArguments([...NEEDED, "--ctx-size=512"]).contextTokens).toBe(512);
});

test("the last occurrence of an argument wins", () => {
  expect(parseWorkerArguments([...NEEDED, "-np", "2", "--parallel", "3"]).slots).toBe(3);
});

test("layers on the GPU may be left to the machine", () => {
  expect(parseWorkerArguments([...NEEDED, "-ngl", "auto"]).gpuLayers).toBeUndefined();
  expect(parseWorkerArguments([...NEEDED, "-ngl", "0"]).gpuLayers).toBe(0);
});

test("sampling defaults of the command line are the server's", () => {
  expect(parseWorkerArguments([...NEEDED, "--temp", "0", "--seed", "7"]).sampling).toMatchObject({ temperature: 0, seed: 7, topK: 40 });
});

test("reranking also turns embeddings on, in either order", () => {
  expect(parseWorkerArguments([...NEEDED, "--embeddings", "--reranking"]).mode).toBe("reranking");
  expect(parseWorkerArguments([...NEEDED, "--reranking", "--embeddings"]).mode).toBe("reranking");
});

test("an unknown argument, a missing value and a bad number are named", () => {
  expect(() => parseWorkerArguments([...NEEDED, "--mmproj", "x"])).toThrow("error: invalid argument: --mmproj");
  expect(() => parseWorkerArguments([...NEEDED, "--port"])).toThrow('error while handling argument "--port": expected value for argument');
  expect(() => parseWorkerArguments([...NEEDED, "--port", "x"])).toThrow('"x" is not a number');
});
