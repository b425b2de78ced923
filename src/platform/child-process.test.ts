import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { processesMarked } from "../../test/fixtures/processes.ts";
import { rejection } from "../../test/fixtures/rejection.ts";
import { temporaryFolder } from "../../test/fixtures/temporary-folder.ts";
import { until } from "../../test/fixtures/until.ts";
import { SupervisedChild } from "./child-process.ts";
import { processIdentity } from "./process-identity.ts";
import { ProcessRecords } from "./process-records.ts";

/** Ends neither on SIGTERM nor at the end of its input. */
const STUBBORN = `process.on("SIGTERM", () => {}); process.stdin.resume(); console.log("up"); setInterval(() => {}, 1000);`;
const isAlive = async (pid: number): Promise<boolean> => (await processIdentity(pid)) !== undefined;

test("kill ends a stubborn child at once, while stop still waits", async () => {
  const up = Promise.withResolvers<void>();
  await using child = await SupervisedChild.spawn({ command: process.execPath, args: ["-e", STUBBORN], onLine: () => up.resolve() });
  await up.promise;
  const stopped = child.stop({ stepMs: 600_000 });
  child.kill();
  expect(await stopped).toEqual({ code: null, signal: "SIGKILL" });
});

test("a child does not outlive a parent that ends by process.exit or an uncaught error", async () => {
  for (const end of ["process.exit(3)", `setTimeout(() => { throw new Error("bug") })`]) {
    const program = `
      import { SupervisedChild } from ${JSON.stringify(new URL("child-process.ts", import.meta.url).href)};
      const child = await SupervisedChild.spawn({ command: process.execPath, args: ["-e", ${JSON.stringify(STUBBORN)}], onLine() {
        process.stdout.write(String(child.pid), () => { ${end} });
      } });`;
    const parent = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "ignore"] });
    const [pid] = await Promise.all([text(parent.stdout), once(parent, "exit")]);
    expect(Number(pid)).toBeGreaterThan(0);
    await until("the child is gone", async () => !(await isAlive(Number(pid))));
  }
});

test("a child whose record cannot be written is ended: nobody would know of it", async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, "children"), "a file where the folder should be");
  const records = new ProcessRecords(join(folder.path, "children"));
  const args = ["-e", STUBBORN, folder.path];
  const spawned = SupervisedChild.spawn({ command: process.execPath, args, env: { ...process.env, MARK: folder.path }, records });
  expect(await rejection(spawned)).toHaveProperty("code");
  expect(await processesMarked(folder.path)).toEqual([]);
});

test("a child whose record cannot be removed has ended all the same", async () => {
  await using folder = await temporaryFolder();
  const records = new ProcessRecords(folder.path);
  await using child = await SupervisedChild.spawn({ command: process.execPath, args: ["-e", STUBBORN], records });
  const record = join(folder.path, `${child.pid}.json`);
  await rm(record);
  await mkdir(record);
  child.kill();
  expect(await child.exited).toEqual({ code: null, signal: "SIGKILL" });
});
