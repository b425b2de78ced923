import { expect, test } from "bun:test";
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { makeTar, makeTarGz, makeZip, type ArchiveContent } from "../../../test/fixtures/releases/make-archive.ts";
import { errorMessage } from "../../errors.ts";
import { extractArchive, unwrapSingleFolder, type ExtractOptions } from "./extract-archive.ts";

async function temporaryFolder(): Promise<AsyncDisposable & { readonly root: string; readonly target: string }> {
  const root = await mkdtemp(join(tmpdir(), "extract-"));
  const target = join(root, "target");
  await mkdir(target);
  return { root, target, [Symbol.asyncDispose]: () => rm(root, { recursive: true }) };
}

const makers = {
  zip: (contents: readonly ArchiveContent[]) => Promise.resolve(makeZip(contents)),
  "tar.gz": makeTarGz,
};
type Format = keyof typeof makers;
const formats = Object.keys(makers) as Format[];

async function tryExtract(format: Format, contents: readonly ArchiveContent[], options?: ExtractOptions) {
  const place = await temporaryFolder();
  const archive = join(place.root, `archive.${format}`);
  await writeFile(archive, await makers[format](contents));
  const error = await extractArchive(archive, place.target, options).then(
    () => undefined,
    (caught: unknown) => caught,
  );
  return { ...place, error };
}

const RELEASE: readonly ArchiveContent[] = [
  { path: "llama-b1/", kind: "directory" },
  { path: "llama-b1/llama-server", text: "#!/bin/sh\necho hello\n", mode: 0o755 },
  { path: "llama-b1/libllama.so", kind: "symlink", target: "libllama.so.0" },
  { path: "llama-b1/libllama.so.0", text: "library".repeat(10_000) },
  { path: "llama-b1/deep/er/LICENSE", text: "free" },
];

test.each(formats)("a %s archive is unpacked with its links and executable bits", async (format) => {
  await using result = await tryExtract(format, RELEASE);
  expect(result.error).toBeUndefined();
  await unwrapSingleFolder(result.target);
  expect((await readdir(result.target)).toSorted()).toEqual(["deep", "libllama.so", "libllama.so.0", "llama-server"]);
  expect(await readlink(join(result.target, "libllama.so"))).toBe("libllama.so.0");
  expect(await readFile(join(result.target, "libllama.so"), "utf8")).toHaveLength(70_000);
  expect((await stat(join(result.target, "llama-server"))).mode & 0o777).toBe(0o755);
  expect((await stat(join(result.target, "deep/er/LICENSE"))).mode & 0o111).toBe(0);
});

test.each(formats)("a %s entry that leaves the folder fails the archive and writes nothing outside", async (format) => {
  for (const path of ["../evil", "a/../../evil", "/tmp/evil-from-archive"]) {
    await using result = await tryExtract(format, [{ path, text: "evil" }]);
    expect(result.error).toHaveProperty("code", "INSTALL_FAILED");
    expect((await readdir(result.root)).toSorted()).toEqual([`archive.${format}`, "target"]);
  }
});

test.each(formats)("a %s link that leaves the folder is refused", async (format) => {
  for (const target of ["../outside", "/etc/passwd", "a/../../x"]) {
    await using result = await tryExtract(format, [{ path: "link", kind: "symlink", target }]);
    expect(errorMessage(result.error)).toContain("leads to");
  }
});

test.each(formats)("a %s chain of links that leaves the folder is refused", async (format) => {
  await using result = await tryExtract(format, [
    { path: "p/q/r/up", kind: "symlink", target: "../../.." },
    { path: "p/q/r/out", kind: "symlink", target: "up/.." },
    { path: "p/q/file", text: "x" },
  ]);
  expect(errorMessage(result.error)).toContain("leads out of the folder");
});

test.each(formats)("a %s entry cannot be written through a link", async (format) => {
  await using result = await tryExtract(format, [
    { path: "door", kind: "symlink", target: "room" },
    { path: "room/inside", text: "fine" },
    { path: "door/inside", text: "replaced" },
  ]);
  expect(result.error).toHaveProperty("code", "INSTALL_FAILED");
  expect(await readFile(join(result.target, "room/inside"), "utf8")).toBe("fine");
  expect((await lstat(join(result.target, "door"))).isSymbolicLink()).toBe(false);
});

test.each(formats)("a %s link that leads nowhere is refused", async (format) => {
  await using result = await tryExtract(format, [{ path: "link", kind: "symlink", target: "missing" }]);
  expect(errorMessage(result.error)).toContain("leads nowhere");
});

test.each(formats)("a %s archive of absurd size is refused while it is unpacked", async (format) => {
  const contents = [{ path: "zeros", text: "\0".repeat(2_000_000) }];
  await using tooBig = await tryExtract(format, contents, { maxBytes: 1_000_000 });
  expect(errorMessage(tooBig.error)).toContain("exceeds the limit");
  expect((await stat(join(tooBig.target, "zeros"))).size).toBeLessThanOrEqual(1_000_000);
  await using tooMany = await tryExtract(format, RELEASE, { maxEntries: 3 });
  expect(errorMessage(tooMany.error)).toContain("one entry too many");
});

test.each(formats)("two %s entries of one name are refused", async (format) => {
  await using result = await tryExtract(format, [
    { path: "file", text: "first" },
    { path: "file", text: "second" },
  ]);
  expect(result.error).toHaveProperty("code", "INSTALL_FAILED");
});

test("a hard link becomes a copy, and one to the outside is refused", async () => {
  await using good = await tryExtract("tar.gz", [
    { path: "file", text: "content" },
    { path: "copy", kind: "link", target: "file" },
  ]);
  expect(good.error).toBeUndefined();
  expect(await readFile(join(good.target, "copy"), "utf8")).toBe("content");
  await using bad = await tryExtract("tar.gz", [{ path: "copy", kind: "link", target: "../../etc/passwd" }]);
  expect(errorMessage(bad.error)).toContain("outside");
});

test("devices and pipes are refused", async () => {
  await using result = await tryExtract("tar.gz", [{ path: "pipe", kind: "fifo" }]);
  expect(errorMessage(result.error)).toContain("neither file nor folder nor link");
});

test("an archive cut short is damaged, at whatever byte", async () => {
  await using place = await temporaryFolder();
  const whole = { zip: makeZip(RELEASE), "tar.gz": gzipSync(await makeTar(RELEASE)), "tar.xz": Buffer.from(SMALL_TAR_XZ, "base64") };
  for (const format of Object.keys(whole) as (keyof typeof whole)[]) {
    const archive = join(place.root, `cut.${format}`);
    for (const part of [0, 0.1, 0.5, 0.9]) {
      await rm(place.target, { recursive: true });
      await mkdir(place.target);
      await writeFile(archive, whole[format].subarray(0, Math.floor(whole[format].length * part)));
      expect(await extractArchive(archive, place.target).catch(errorMessage)).toContain("is damaged");
    }
  }
});

test("a zip entry with a wrong checksum is damaged", async () => {
  await using place = await temporaryFolder();
  const archive = join(place.root, "archive.zip");
  await writeFile(archive, makeZip([{ path: "file", text: "content" }], { corruptChecksums: true }));
  expect(await extractArchive(archive, place.target).catch(errorMessage)).toContain("checksum of file");
});

test("a tar.xz archive is unpacked", async () => {
  await using place = await temporaryFolder();
  const archive = join(place.root, "archive.tar.xz");
  await writeFile(archive, Buffer.from(SMALL_TAR_XZ, "base64"));
  await extractArchive(archive, place.target);
  expect(await readFile(join(place.target, "llama-b1/llama-server"), "utf8")).toBe("hi\n");
  expect(await readlink(join(place.target, "llama-b1/link"))).toBe("llama-server");
});

test("an unknown kind of archive is named", async () => {
  await using place = await temporaryFolder();
  expect(await extractArchive(join(place.root, "archive.rar"), place.target).catch(errorMessage)).toContain("no archive of a kind");
});

test("an abort ends unpacking with its reason", async () => {
  const controller = new AbortController();
  const onProgress = (): void => controller.abort(new Error("stop it"));
  await using result = await tryExtract("tar.gz", RELEASE, { onProgress, signal: controller.signal });
  expect(result.error).toHaveProperty("message", "stop it");
});

test("a build folder is a layout of its own and stays", async () => {
  await using result = await tryExtract("zip", [{ path: "build/bin/llama-server", text: "x", mode: 0o755 }]);
  await unwrapSingleFolder(result.target);
  expect(await readdir(result.target)).toEqual(["build"]);
});

// `tar -cJ` of a folder with one file and one link to it.
const SMALL_TAR_XZ =
  "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4Cf/AJBdADZhgNpiIuV8+asAiRFjv2GrQr0SH3BMg4J+RtbCIOvW+mgz9gim/btW/DIYLypOCpyiUmfJ2L1yOMa1RBRvOXwH7kqO0zmDbnoGoLRhrr4cQqE2wvW5hCD0bjez5ajMYknx7fJgEa8BAR6IrFFAx2k44y7FN9A5hVT+l68jErUSLq6YRuhYMQm9ekvTNBgpAABlXH3+JN5NWgABrAGAUAAAc7QOEbHEZ/sCAAAAAARZWg==";
