import { expect, test } from "bun:test";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryFolder } from "../../../../test/fixtures/temporary-folder.ts";
import { resolveExecutable } from "./resolve-executable.ts";
import { defaultVariant, detectTarget, VARIANTS } from "./target.ts";
import { rejection } from "../../../../test/fixtures/rejection.ts";

async function place(folder: string, ...parts: readonly string[]): Promise<string> {
  const path = join(folder, ...parts);
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, "");
  await chmod(path, 0o755);
  return path;
}

test("an executable is found by target, variant and name, each with its default", async () => {
  await using folder = await temporaryFolder();
  const lookupPath = folder.path;
  const linux = await place(lookupPath, "x86_64-unknown-linux-gnu", "cpu", "llama-server");
  const cuda = await place(lookupPath, "x86_64-unknown-linux-gnu", "cuda-12_6", "my-server");
  const windows = await place(lookupPath, "x86_64-pc-windows-msvc", "cpu", "llama-server.exe");
  const apple = await place(lookupPath, "aarch64-apple-darwin", "metal", "llama-server");
  expect(await resolveExecutable({ lookupPath, target: "x86_64-unknown-linux-gnu" })).toBe(linux);
  expect(await resolveExecutable({ lookupPath, target: "x86_64-unknown-linux-gnu", variant: "cuda-12_6", name: "my-server" })).toBe(cuda);
  expect(await resolveExecutable({ lookupPath, target: "x86_64-pc-windows-msvc" })).toBe(windows);
  expect(await resolveExecutable({ lookupPath, target: "aarch64-apple-darwin" })).toBe(apple);
});

test.skipIf(process.platform === "win32")("a missing file, one without the executable bit and a folder are not found", async () => {
  await using folder = await temporaryFolder();
  const options = { lookupPath: folder.path, target: "x86_64-unknown-linux-gnu" } as const;
  const path = join(folder.path, options.target, "cpu", "llama-server");
  const notFound = { code: "context_error-exec_not_exists", args: { var_0: path } };
  expect(await rejection(resolveExecutable(options))).toMatchObject(notFound);
  await place(path);
  await chmod(path, 0o644);
  expect(await rejection(resolveExecutable(options))).toMatchObject(notFound);
  await mkdir(join(folder.path, options.target, "folder", "llama-server"), { recursive: true });
  expect(await rejection(resolveExecutable({ ...options, variant: "folder" }))).toHaveProperty("code", notFound.code);
});

test.each(["..", "a/b", String.raw`a\b`, ""])("the variant %p is no plain name and is refused", async (variant) => {
  const refused = await rejection(resolveExecutable({ lookupPath: "/x", target: "x86_64-unknown-linux-gnu", variant }));
  expect(refused).toMatchObject({ name: "InvalidOptionsError", field: "variant" });
});

test("the platform of a machine is its target, and its first variant the default", () => {
  expect(detectTarget({ platform: "darwin", arch: "arm64" })).toBe("aarch64-apple-darwin");
  expect(detectTarget({ platform: "win32", arch: "x64" })).toBe("x86_64-pc-windows-msvc");
  expect(() => detectTarget({ platform: "sunos", arch: "sparc" })).toThrow("Unsupported target platform: sunos-sparc");
  expect(Object.keys(VARIANTS).map((target) => defaultVariant(target as keyof typeof VARIANTS))).toEqual(["metal", "cpu", "cpu", "cpu"]);
});
