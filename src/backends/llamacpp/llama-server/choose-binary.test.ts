import { expect, test } from "bun:test";
import { errorMessage } from "../../../errors.ts";
import type { PublishedRelease } from "../../install/index.ts";
import { findBinary, newestRelease } from "./choose-binary.ts";

const release = (tag: string, createdAtMs: number, ...names: string[]): PublishedRelease => ({
  tag,
  createdAtMs,
  assets: names.map((name) => ({ name, url: `http://127.0.0.1/${name}`, sha256: undefined })),
});
const LINUX = "x86_64-unknown-linux-gnu";

test("the newest release with files counts whose tag has the prefix, in whatever order they come", () => {
  const releases = [
    release("docker-9", 9, "image.txt"),
    release("server-8", 8),
    release("server-6", 6, "old"),
    release("server-7", 7, "new"),
  ];
  expect(newestRelease(releases, "server-")?.tag).toBe("server-7");
  expect(newestRelease(releases, "")?.tag).toBe("docker-9");
  expect(newestRelease(releases, "other-")).toBeUndefined();
});

test.each([
  ["cpu", "llama-server--x86_64-unknown-linux-gnu--cpu.zip"],
  ["cuda-12", "llama-server--x86_64-unknown-linux-gnu--cuda-12.tar.gz"],
  ["cuda-12.6", "llama-server--x86_64-unknown-linux-gnu--cuda-12.6.zip"],
  ["bare", "llama-server--x86_64-unknown-linux-gnu--bare"],
  ["dated", "llama-server--x86_64-unknown-linux-gnu--dated--2026.zip"],
])("the file of the variant %s is the one with equal segments", (variant, name) => {
  const names = ["cpu.zip", "cuda-12.6.zip", "cuda-12.tar.gz", "bare", "dated--2026.zip"];
  const all = ["README.md", ...names.map((end) => `llama-server--${LINUX}--${end}`), "llama-server--x86_64-pc-windows-msvc--cpu.exe"];
  expect(findBinary(release("server-1", 1, ...all), LINUX, variant).name).toBe(name);
});

test("the program of Windows is a file of its own, and what is missing is said with what there is", () => {
  const windows = release("server-1", 1, "llama-server--x86_64-pc-windows-msvc--cpu.exe");
  expect(findBinary(windows, "x86_64-pc-windows-msvc", "cpu").name).toEndWith(".exe");
  try {
    findBinary(windows, LINUX, "cpu");
    expect.unreachable();
  } catch (error) {
    expect(errorMessage(error)).toBe(`Release server-1 has no file llama-server--${LINUX}--cpu`);
    expect(error).toMatchObject({ code: "INSTALL_FAILED", hint: expect.stringContaining("windows-msvc--cpu.exe") });
  }
});
