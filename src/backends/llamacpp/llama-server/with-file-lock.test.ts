import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../../../../test/fixtures/temporary-folder.ts";
import { withFileLock } from "./with-file-lock.ts";

test("two actions under one lock never run at once, and the lock is gone afterwards", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "build.lock");
  let running = 0;
  const action = async () => {
    expect(++running).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    return "done";
  };
  const results = await Promise.all([1, 2, 3].map(() => withFileLock(path, { pollMs: 1 }, action)));
  expect(results).toEqual(["done", "done", "done"]);
  expect(existsSync(path)).toBe(false);
});

test("a lock that is not given in time is an error that says so; an abort rejects with its reason", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "build.lock");
  await withFileLock(path, {}, async () => {
    const late: unknown = await withFileLock(path, { timeoutMs: 20, pollMs: 1 }, () => 0).catch((error: unknown) => error);
    expect(late).toMatchObject({ code: "io_error-with_path", args: { path, source: "Timeout waiting for exclusive lock after 0.02s" } });
    const signal = AbortSignal.abort(new Error("enough"));
    const aborted: unknown = await withFileLock(path, { signal }, () => 0).catch((error: unknown) => error);
    expect(aborted).toHaveProperty("message", "enough");
  });
});

test("the lock is released when the action fails", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "build.lock");
  const failing = withFileLock(path, {}, () => {
    throw new Error("no");
  });
  expect(await failing.catch((error: unknown) => error)).toHaveProperty("message", "no");
  expect(existsSync(path)).toBe(false);
});
