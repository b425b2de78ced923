import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, unlink, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { acquireBlobLock } from "./blob-lock.ts";
import { systemClock } from "./clock.ts";
import { acquireByExistence } from "./existence-lock.ts";

async function lockFile(): Promise<AsyncDisposable & { path: string }> {
  const folder = await mkdtemp(join(tmpdir(), "lemonade-lock-"));
  return { path: join(folder, "models--a--b", "abc.lock"), [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

const options = { clock: systemClock };

test("a second holder waits until the first has let go", async () => {
  await using file = await lockFile();
  const first = await acquireBlobLock(file.path, options);
  const waiting = Promise.withResolvers<void>();
  const second = acquireBlobLock(file.path, { ...options, onWaiting: waiting.resolve });
  await waiting.promise;
  await first[Symbol.asyncDispose]();
  await using lock = await second;
  expect(lock.path).toBe(file.path);
});

test("giving a lock back twice is harmless", async () => {
  await using file = await lockFile();
  const lock = await acquireBlobLock(file.path, options);
  await lock[Symbol.asyncDispose]();
  await lock[Symbol.asyncDispose]();
  await using again = await acquireBlobLock(file.path, options);
  expect(again.path).toBe(file.path);
});

test("whoever waits leaves with the reason of its signal, and takes nothing along", async () => {
  await using file = await lockFile();
  const first = await acquireBlobLock(file.path, options);
  const caller = new AbortController();
  const reason = new Error("the client left");
  const second = acquireBlobLock(file.path, { ...options, signal: caller.signal, onWaiting: () => caller.abort(reason) });
  expect(await second.catch((error: unknown) => error)).toBe(reason);
  await first[Symbol.asyncDispose]();
  await using third = await acquireBlobLock(file.path, options);
  expect(third.path).toBe(file.path);
});

test("a lock on a file that was removed meanwhile is taken anew on the file that has its name", async () => {
  await using file = await lockFile();
  const first = await acquireBlobLock(file.path, options);
  const second = acquireBlobLock(file.path, {
    ...options,
    onWaiting: () => void unlink(file.path).then(() => first[Symbol.asyncDispose]()),
  });
  await using held = await second;
  const third = Promise.withResolvers<void>();
  const caller = new AbortController();
  const blocked = acquireBlobLock(file.path, { ...options, signal: caller.signal, onWaiting: third.resolve }).catch(() => undefined);
  await third.promise;
  caller.abort();
  expect([held.path, await blocked]).toEqual([file.path, undefined]);
});

test("the death of a holder gives the lock back", async () => {
  await using file = await lockFile();
  const script = `import { acquireBlobLock } from ${JSON.stringify(join(import.meta.dir, "blob-lock.ts"))};
    import { systemClock } from ${JSON.stringify(join(import.meta.dir, "clock.ts"))};
    globalThis.lock = await acquireBlobLock(${JSON.stringify(file.path)}, { clock: systemClock });
    console.log("held");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  await once(createInterface(child.stdout), "line");
  await using lock = await acquireBlobLock(file.path, { ...options, onWaiting: () => void child.kill("SIGKILL") });
  expect(lock.path).toBe(file.path);
});

test("a lock by existence excludes others, is taken from a dead holder of this machine, and from no other", async () => {
  await using file = await lockFile();
  await (await acquireBlobLock(file.path, options))[Symbol.asyncDispose](); // Makes the folder.
  const path = `${file.path}.lemonade`;
  const first = await acquireByExistence(path, options);
  const second = acquireByExistence(path, { ...options, onWaiting: () => void first[Symbol.asyncDispose]() });
  await (await second)[Symbol.asyncDispose]();
  const ended = spawn(process.execPath, ["-e", ""]);
  await once(ended, "exit");
  await writeFile(path, `${ended.pid}\n${hostname()}\n`);
  await (await acquireByExistence(path, options))[Symbol.asyncDispose]();
  await writeFile(path, `${ended.pid}\nelsewhere\n`);
  const third = acquireByExistence(path, { ...options, onWaiting: () => void unlink(path) });
  await (await third)[Symbol.asyncDispose]();
});
