import { expect, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorMessage } from "../../errors.ts";
import type { SystemFacts } from "./system-facts.ts";
import { SystemInfo } from "./system-info.ts";

const facts = (name: string): SystemFacts => ({
  os: { platform: "linux", arch: "x64", version: "Linux", isWsl: false },
  cpu: { name, cores: 8, threads: 16, maxClockMhz: 5000 },
  memoryBytes: 2 ** 34,
  gpus: [{ vendor: "nvidia", name: "NVIDIA H200", isIntegrated: false, memoryBytes: 2 ** 37, cudaVersion: "13.0" }],
  npu: undefined,
  vulkan: { hasLoader: true, devices: ["NVIDIA H200"] },
  problems: [],
});

async function setUp() {
  const folder = await mkdtemp(join(tmpdir(), "system-info-"));
  const cacheFile = join(folder, "cache", "hardware_facts.json");
  const probes: PromiseWithResolvers<SystemFacts>[] = [];
  const clock = { ms: 1_000_000 };
  const open = (): SystemInfo =>
    new SystemInfo({
      cacheFile,
      env: {},
      now: () => clock.ms,
      probe: () => {
        const probe = Promise.withResolvers<SystemFacts>();
        probes.push(probe);
        return probe.promise;
      },
    });
  return { cacheFile, probes, clock, open, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

test("facts are found once for all who ask at once, and kept for the next start", async () => {
  await using place = await setUp();
  const first = place.open();
  const answers = [first.complete(), first.complete()];
  while (place.probes.length === 0) await new Promise(setImmediate);
  place.probes[0]?.resolve(facts("one"));
  expect(await Promise.all(answers)).toEqual([facts("one"), facts("one")]);
  expect(await first.current()).toEqual(facts("one"));
  const second = place.open();
  expect(await second.current()).toEqual(facts("one"));
  expect(await second.complete()).toEqual(facts("one"));
  expect(place.probes).toHaveLength(1);
});

test("whoever can wait a little gets the first facts, or none", async () => {
  await using place = await setUp();
  const info = place.open();
  expect(await info.known(1)).toBeUndefined();
  const patient = info.known(60_000);
  place.probes[0]?.resolve(facts("one"));
  expect(await patient).toEqual(facts("one"));
  place.clock.ms += 7_200_000;
  expect(await info.known(60_000)).toEqual(facts("one"));
  place.probes[1]?.resolve(facts("two"));
});

test("a first answer does not wait for the probe", async () => {
  await using place = await setUp();
  const info = place.open();
  const early = await info.current();
  expect(early).toMatchObject({ gpus: [], problems: ["The hardware is still being examined"] });
  expect(early.memoryBytes).toBeGreaterThan(0);
  place.probes[0]?.resolve(facts("late"));
  expect(await info.complete()).toEqual(facts("late"));
  expect(place.probes).toHaveLength(1);
});

test("facts that are an hour old are told at once and refreshed behind the answer", async () => {
  await using place = await setUp();
  const info = place.open();
  void info.current();
  const found = info.complete();
  while (place.probes.length === 0) await new Promise(setImmediate);
  place.probes[0]?.resolve(facts("old"));
  await found;
  place.clock.ms += 3_600_001;
  expect(await info.current()).toEqual(facts("old"));
  const refreshed = info.complete();
  while (place.probes.length < 2) await new Promise(setImmediate);
  place.probes[1]?.resolve(facts("new"));
  expect(await refreshed).toEqual(facts("new"));
  expect(await info.current()).toEqual(facts("new"));
  expect(place.probes).toHaveLength(2);
});

test("facts of another boot are refreshed", async () => {
  await using place = await setUp();
  const first = place.open();
  const found = first.complete();
  while (place.probes.length === 0) await new Promise(setImmediate);
  place.probes[0]?.resolve(facts("before"));
  await found;
  const text = await readFile(place.cacheFile, "utf8");
  await writeFile(place.cacheFile, text.replace(/"system": ".*"/, '"system": "another boot"'));
  const second = place.open();
  expect(await second.current()).toEqual(facts("before"));
  expect(place.probes).toHaveLength(2);
  place.probes[1]?.resolve(facts("after"));
  expect(await second.complete()).toEqual(facts("after"));
});

test.each(["", "not json", '{"version":"0.1.0","hardware":{}}', '{"version":1,"system":"x","probedAtMs":0,"facts":{"gpus":"none"}}'])(
  "a cache file that holds %j is found out anew",
  async (content) => {
    await using place = await setUp();
    await Bun.write(place.cacheFile, content);
    const info = place.open();
    const found = info.complete();
    while (place.probes.length === 0) await new Promise(setImmediate);
    place.probes[0]?.resolve(facts("fresh"));
    expect(await found).toEqual(facts("fresh"));
  },
);

test("a waiter that leaves does not end the probe of the others", async () => {
  await using place = await setUp();
  const info = place.open();
  const controller = new AbortController();
  const leaving = info.complete({ signal: controller.signal }).catch(errorMessage);
  const staying = info.complete();
  while (place.probes.length === 0) await new Promise(setImmediate);
  controller.abort(new Error("left"));
  expect(await leaving).toBe("left");
  place.probes[0]?.resolve(facts("one"));
  expect(await staying).toEqual(facts("one"));
});

test("a probe that fails leaves what the runtime knows, and says why", async () => {
  await using place = await setUp();
  const info = place.open();
  const found = info.complete();
  while (place.probes.length === 0) await new Promise(setImmediate);
  place.probes[0]?.reject(new Error("no permission"));
  expect((await found).problems).toEqual(["The hardware could not be examined: no permission"]);
});

test("closing ends a running probe and keeps nothing of it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "system-info-"));
  const cacheFile = join(folder, "facts.json");
  const started = Promise.withResolvers<void>();
  const info = new SystemInfo({
    cacheFile,
    env: {},
    probe: async ({ signal }) => {
      started.resolve();
      await new Promise((resolve) => signal?.addEventListener("abort", resolve));
      return facts("cut short");
    },
  });
  void info.current();
  await started.promise;
  await info[Symbol.asyncDispose]();
  expect(await Bun.file(cacheFile).exists()).toBe(false);
  await rm(folder, { recursive: true });
});
