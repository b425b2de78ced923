import { expect, test } from "bun:test";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorMessage } from "../errors.ts";
import { acquireFileLock } from "./file-lock.ts";

async function temporaryLockPath(): Promise<AsyncDisposable & { readonly folder: string; readonly path: string }> {
  const folder = await mkdtemp(join(tmpdir(), "file-lock-"));
  return { folder, path: join(folder, "nested", "lock"), [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

test("a second taker waits until the first one lets go", async () => {
  await using place = await temporaryLockPath();
  const order: string[] = [];
  const first = await acquireFileLock(place.path);
  const { promise: waits, resolve } = Promise.withResolvers<string>();
  const second = acquireFileLock(place.path, { onWait: resolve });
  expect(await waits).toBe(`process ${process.pid}`);
  order.push("first releases");
  await first[Symbol.asyncDispose]();
  await using _held = await second;
  order.push("second holds");
  expect(order).toEqual(["first releases", "second holds"]);
});

test("six takers hold it one at a time and leave no file", async () => {
  await using place = await temporaryLockPath();
  let holders = 0;
  let most = 0;
  const take = async (): Promise<void> => {
    await using _lock = await acquireFileLock(place.path);
    most = Math.max(most, ++holders);
    await readdir(place.folder);
    holders--;
  };
  await Promise.all(Array.from({ length: 6 }, take));
  expect(most).toBe(1);
  expect(await readdir(join(place.folder, "nested"))).toEqual([]);
});

test("the lock of a dead process is taken over at once", async () => {
  await using place = await temporaryLockPath();
  const script = `
    const { acquireFileLock } = await import(${JSON.stringify(new URL("file-lock.ts", import.meta.url).href)});
    await acquireFileLock(${JSON.stringify(place.path)});
    process.kill(process.pid, "SIGKILL");`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "inherit", stderr: "inherit" });
  await child.exited;
  expect(JSON.parse(await readFile(place.path, "utf8"))).toHaveProperty("pid", child.pid);
  await using _lock = await acquireFileLock(place.path);
  expect(JSON.parse(await readFile(place.path, "utf8"))).toHaveProperty("pid", process.pid);
});

test("a pid that now belongs to another process does not hold the lock", async () => {
  await using place = await temporaryLockPath();
  const held = await acquireFileLock(place.path);
  const content = JSON.parse(await readFile(place.path, "utf8")) as Record<string, unknown>;
  await writeFile(place.path, JSON.stringify({ ...content, token: "other", identity: "an earlier start" }));
  await using _lock = await acquireFileLock(place.path);
  await held[Symbol.asyncDispose]();
  // Releasing a lock that was taken over leaves the new holder's file alone.
  expect(JSON.parse(await readFile(place.path, "utf8"))).toHaveProperty("pid", process.pid);
});

test("an abort ends the waiting with its reason", async () => {
  await using place = await temporaryLockPath();
  await using _lock = await acquireFileLock(place.path);
  const controller = new AbortController();
  const waiting = acquireFileLock(place.path, { signal: controller.signal, onWait: () => controller.abort(new Error("enough")) });
  expect(await waiting.catch(errorMessage)).toContain("enough");
});
