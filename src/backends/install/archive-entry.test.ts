import { expect, test } from "bun:test";
import { checkEntryPath, checkLinkTarget } from "./archive-entry.ts";

test("plain paths are split into their segments", () => {
  expect(checkEntryPath("./build//bin/llama-server")).toEqual({ ok: true, segments: ["build", "bin", "llama-server"] });
  expect(checkEntryPath("./")).toEqual({ ok: true, segments: [] });
  expect(checkEntryPath("lib..so/a..b")).toEqual({ ok: true, segments: ["lib..so", "a..b"] });
});

test.each([
  ["../evil", "leaves the folder"],
  ["a/../../evil", "leaves the folder"],
  ["a/..", "leaves the folder"],
  ["/etc/passwd", "is absolute"],
  ["C:/Windows/evil.dll", "is absolute"],
  ["c:evil.dll", "is absolute"],
  ["..\\evil", "contains a backslash"],
  ["a\0b", "contains a zero byte"],
  ["bin/llama-server:hidden", "has a name that Windows reserves"],
  ["bin/NUL.txt", "has a name that Windows reserves"],
  ["x".repeat(256), "has too long a name"],
  ["d/".repeat(41), "is nested too deep"],
])("the path %j is refused", (path, reason) => {
  expect(checkEntryPath(path)).toEqual({ ok: false, reason });
});

test("links inside the archive are fine", () => {
  expect(checkLinkTarget(["libggml.so"], "libggml.so.0")).toEqual({ ok: true, segments: ["libggml.so.0"] });
  expect(checkLinkTarget(["lib", "a.so"], "../bin/./b.so")).toEqual({ ok: true, segments: ["bin", "b.so"] });
});

test.each(["..", "../outside", "a/../../outside", "/etc/passwd", "C:\\x", "..\\x", "", "a\0b"])("a link to %j is refused", (target) => {
  expect(checkLinkTarget(["link"], target).ok).toBe(false);
});
