import { expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createStagingFolder,
  previousFolder,
  recoverInterruptedReplacement,
  replaceFolder,
  restorePreviousFolder,
} from "./replace-folder.ts";

async function temporaryFolder(): Promise<
  AsyncDisposable & { readonly target: string; read(): Promise<string>; stage(text: string): Promise<string> }
> {
  const folder = await mkdtemp(join(tmpdir(), "replace-folder-"));
  const target = join(folder, "bin", "cpu");
  return {
    target,
    read: () => readFile(join(target, "content"), "utf8"),
    stage: async (text) => {
      const staging = await createStagingFolder(target);
      await writeFile(join(staging, "content"), text);
      return staging;
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

test("a first installation appears under its name", async () => {
  await using place = await temporaryFolder();
  await replaceFolder(await place.stage("one"), place.target);
  expect(await place.read()).toBe("one");
  expect(await readdir(join(place.target, ".."))).toEqual(["cpu"]);
});

test("an upgrade keeps the old folder, and rolling back restores it", async () => {
  await using place = await temporaryFolder();
  await replaceFolder(await place.stage("one"), place.target);
  await replaceFolder(await place.stage("two"), place.target);
  expect(await place.read()).toBe("two");
  expect(await restorePreviousFolder(place.target)).toBe(true);
  expect(await place.read()).toBe("one");
  expect(await readdir(join(place.target, ".."))).toEqual(["cpu"]);
});

test("rolling back a first installation leaves nothing", async () => {
  await using place = await temporaryFolder();
  await replaceFolder(await place.stage("one"), place.target);
  expect(await restorePreviousFolder(place.target)).toBe(false);
  expect(await readdir(join(place.target, ".."))).toEqual([]);
});

test("a replacement that died between its renames is healed", async () => {
  await using place = await temporaryFolder();
  await replaceFolder(await place.stage("one"), place.target);
  await rename(place.target, previousFolder(place.target));
  await recoverInterruptedReplacement(place.target);
  expect(await place.read()).toBe("one");
});

test("a folder that cannot be moved away stays, and the error says what to do", async () => {
  await using place = await temporaryFolder();
  await replaceFolder(await place.stage("one"), place.target);
  const missing = join(place.target, "..", "no-such-staging");
  expect(await replaceFolder(missing, place.target).catch((caught: unknown) => caught)).toHaveProperty("code", "INSTALL_FAILED");
  expect(await place.read()).toBe("one");
  await mkdir(missing);
});
