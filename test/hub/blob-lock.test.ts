import { beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { systemClock } from "../../src/hub/clock.ts";
import { acquireBlobLock } from "../../src/hub/blob-lock.ts";
import { HUGGINGFACE_HUB_VERSIONS, huggingfaceHubPython } from "../fixtures/hub/index.ts";
import { temporaryFolder } from "../fixtures/temporary-folder.ts";

/** huggingface_hub's own lock: says when it has it, gives it back when its standard input ends. */
const HOLD = `
import sys
from huggingface_hub.utils import WeakFileLock
with WeakFileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
print("released", flush=True)`;

describe.each(HUGGINGFACE_HUB_VERSIONS)("the lock of a blob and huggingface_hub %s", (version) => {
  let python = "";
  beforeAll(async () => void (python = await huggingfaceHubPython(version)), 300_000);

  test("Python's lock blocks us until Python gives it back", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "abc.lock");
    const child = spawn(python, ["-c", HOLD, path], { stdio: ["pipe", "pipe", "inherit"] });
    await once(createInterface(child.stdout), "line");
    let hasWaited = false;
    await using lock = await acquireBlobLock(path, {
      clock: systemClock,
      onWaiting: () => {
        hasWaited = true;
        child.stdin.end();
      },
    });
    expect([lock.path, hasWaited]).toEqual([path, true]);
    if (child.exitCode === null) await once(child, "exit");
  }, 30_000);

  test("our lock blocks Python until we give it back", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "abc.lock");
    const lock = await acquireBlobLock(path, { clock: systemClock });
    // One try: exit code 3 says that somebody else holds it.
    const tryOnce = `
import sys
from filelock import FileLock, Timeout
try:
    with FileLock(sys.argv[1], timeout=0): pass
except Timeout: sys.exit(3)`;
    const attempt = async (): Promise<unknown> => (await once(spawn(python, ["-c", tryOnce, path], { stdio: "inherit" }), "exit"))[0];
    expect(await attempt()).toBe(3);
    const waiting = spawn(python, ["-c", HOLD, path], { stdio: ["pipe", "pipe", "inherit"] });
    const line = once(createInterface(waiting.stdout), "line");
    await lock[Symbol.asyncDispose]();
    expect((await line)[0]).toBe("held");
    waiting.stdin.end();
    if (waiting.exitCode === null) await once(waiting, "exit");
  }, 30_000);

  test.skipIf(process.platform !== "linux")(
    "on a file system without locks both take the existence of the file for one",
    async () => {
      await using folder = await temporaryFolder();
      const path = join(folder.path, "abc.lock");
      // What util-linux's program says there.
      await writeFile(join(folder.path, "flock"), "#!/bin/sh\nexit 71\n", { mode: 0o755 });
      const { PATH } = process.env;
      process.env["PATH"] = `${folder.path}:${PATH}`;
      try {
        // huggingface_hub's choice there.
        const soft = HOLD.replace("from huggingface_hub.utils import WeakFileLock", "from filelock import SoftFileLock as WeakFileLock");
        const child = spawn(python, ["-c", soft, path], { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, PATH } });
        await once(createInterface(child.stdout), "line");
        const lock = await acquireBlobLock(path, { clock: systemClock, onWaiting: () => void child.stdin.end() });
        const waiting = spawn(python, ["-c", soft, path], { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, PATH } });
        const line = once(createInterface(waiting.stdout), "line");
        expect(waiting.exitCode).toBe(null);
        await lock[Symbol.asyncDispose]();
        expect((await line)[0]).toBe("held");
        waiting.stdin.end();
        if (waiting.exitCode === null) await once(waiting, "exit");
        await (await acquireBlobLock(path, { clock: systemClock }))[Symbol.asyncDispose]();
        expect(await readdir(folder.path)).toEqual(["flock"]);
      } finally {
        process.env["PATH"] = PATH;
      }
    },
    30_000,
  );
});
