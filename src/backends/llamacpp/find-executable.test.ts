import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { EXECUTABLE, findExecutable, type FindOptions } from "./find-executable.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "find-executable-"));
});
afterEach(async () => await rm(folder, { recursive: true }));

async function put(...path: string[]): Promise<string> {
  const file = join(folder, ...path, EXECUTABLE);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, "", { mode: 0o755 });
  return file;
}

const find = async (options: Partial<FindOptions> = {}) =>
  await findExecutable({ named: undefined, variant: "auto", binDir: folder, searchPath: undefined, ...options });

test("of several builds the best one that can use this machine is taken", async () => {
  const vulkan = await put("llamacpp", "vulkan", "build", "bin");
  const cpu = await put("llamacpp", "cpu");
  expect(await find()).toEqual({ path: vulkan, variant: "vulkan" });
  expect(await find({ usableVariants: async () => ["cpu"] })).toEqual({ path: cpu, variant: "cpu" });
  expect(await find({ usableVariants: async () => ["vulkan", "cpu"] })).toEqual({ path: vulkan, variant: "vulkan" });
  expect(await find({ usableVariants: async () => undefined })).toEqual({ path: vulkan, variant: "vulkan" });
});

test("a single build is taken without a question about the machine", async () => {
  const rocm = await put("llamacpp", "rocm");
  const usableVariants = (): Promise<string[]> => Promise.reject(new Error("asked"));
  expect(await find({ usableVariants })).toEqual({ path: rocm, variant: "rocm" });
});

test("the user's own build stands for the installed one of its variant, while its file is there", async () => {
  const installed = await put("llamacpp", "vulkan");
  const own = await put("mine");
  expect(await find({ own: { vulkan: own } })).toEqual({ path: own, variant: "vulkan" });
  await rm(own);
  expect(await find({ own: { vulkan: own } })).toEqual({ path: installed, variant: "vulkan" });
});

test("a variant that is named is the only one looked for, and PATH comes last", async () => {
  const onPath = await put("path");
  const searchPath = dirname(onPath);
  expect(await find({ searchPath })).toEqual({ path: onPath, variant: "system" });
  expect(await find({ searchPath, variant: "vulkan" })).toBeUndefined();
  const cpu = await put("llamacpp", "cpu");
  expect(await find({ searchPath })).toEqual({ path: cpu, variant: "cpu" });
  expect(await find({ searchPath, variant: "system" })).toEqual({ path: onPath, variant: "system" });
});
