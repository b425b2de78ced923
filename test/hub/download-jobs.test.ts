import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { RouterError } from "../../src/errors.ts";
import { systemClock } from "../../src/hub/clock.ts";
import { Downloader } from "../../src/hub/download-file.ts";
import type { DownloadStatus } from "../../src/hub/download-job.ts";
import { createDownloadJobs, type DownloadJobs } from "../../src/hub/download-jobs.ts";
import type { FileSet } from "../../src/hub/download-set.ts";
import { HubClient } from "../../src/hub/hub-client.ts";
import { hubSettingsFromEnvironment } from "../../src/hub/settings.ts";
import { Hub, patternBytes, type Files, type Repository } from "../fixtures/hub/index.ts";
import { temporaryFolder } from "../fixtures/temporary-folder.ts";

const MIB = 1 << 20;
const REPO = "org/split-GGUF";
const FIRST = patternBytes(5 * MIB, 1);
const SECOND = patternBytes(3 * MIB, 2);
const FILES: Files = { "split-00001-of-00002.gguf": FIRST, "split-00002-of-00002.gguf": SECOND, "README.md": "# split\n" };
const TOTAL = FIRST.length + SECOND.length;

interface World extends AsyncDisposable {
  readonly hub: Hub;
  readonly repository: Repository;
  readonly cacheDir: string;
  readonly folder: string;
  readonly client: HubClient;
  jobs(): Promise<DownloadJobs>;
  set(): Promise<FileSet>;
  inRepo(...path: string[]): string;
}

async function world(): Promise<World> {
  const resources = new AsyncDisposableStack();
  const hub = resources.use(await Hub.start());
  const root = resources.use(await temporaryFolder()).path;
  const [cacheDir, folder] = [join(root, "hub"), join(root, "downloads")];
  const repository = hub.add(REPO, { files: FILES });
  const client = new HubClient({ ...hubSettingsFromEnvironment({}), endpoint: hub.endpoint, tokenFile: undefined, cacheDir });
  return {
    hub,
    repository,
    cacheDir,
    folder,
    client,
    jobs: async () => resources.use(await createDownloadJobs({ downloader: new Downloader({ client }), folder })),
    async set() {
      const list = await client.listFiles(REPO);
      return { ...list, revision: "main", files: list.files.filter(({ path }) => path.endsWith(".gguf")) };
    },
    inRepo: (...path) => join(cacheDir, "models--org--split-GGUF", ...path),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** Lets so many bytes of each file through and then nothing, until it is switched off. */
function stallAfter(hub: Hub, bytes: number): () => void {
  const end = Promise.withResolvers<void>();
  const off = hub.faults.add({ kind: "stall", afterBytes: bytes, until: end.promise });
  return () => {
    off();
    end.resolve();
  };
}

async function until(jobs: DownloadJobs, id: string, isReached: (status: DownloadStatus) => boolean): Promise<DownloadStatus> {
  for await (const status of jobs.watch(id)) if (isReached(status)) return status;
  throw new Error(`the download ended: ${JSON.stringify(jobs.get(id))}`);
}

async function failure(promise: Promise<unknown>): Promise<RouterError> {
  const error = await promise.catch((thrown: unknown) => thrown);
  if (error instanceof RouterError) return error;
  throw new Error(`expected a failure, got ${String(error)}`);
}

test("a set is one job, done when all files and the ref are there", async () => {
  await using w = await world();
  const jobs = await w.jobs();
  const { id } = await jobs.start("user.split", await w.set());
  const done = await jobs.wait(id);
  expect(done).toMatchObject({ label: "user.split", repo: REPO, state: "done", bytes: TOTAL, totalBytes: TOTAL, error: undefined });
  expect(done.files.map(({ path, bytes }) => [path, bytes])).toEqual([
    ["split-00001-of-00002.gguf", FIRST.length],
    ["split-00002-of-00002.gguf", SECOND.length],
  ]);
  expect(await readFile(w.inRepo("refs", "main"), "utf8")).toBe(w.repository.head);
  expect(await readdir(w.folder)).toEqual([]);
});

test("the same files asked for twice are one job, fetched once", async () => {
  await using w = await world();
  const jobs = await w.jobs();
  const set = await w.set();
  const first = await jobs.start("split", set);
  const second = await jobs.start("split", { ...set, files: set.files.toReversed() });
  expect(second.id).toBe(first.id);
  await Promise.all([jobs.wait(first.id), jobs.wait(second.id)]);
  expect(w.hub.requestsTo("cdn").reduce((sum, request) => sum + request.sentBytes, 0)).toBe(TOTAL);
});

test("whoever watches and leaves stops nothing", async () => {
  await using w = await world();
  const jobs = await w.jobs();
  const letGo = stallAfter(w.hub, MIB);
  const { id } = await jobs.start("split", await w.set());
  for await (const status of jobs.watch(id)) if (status.bytes > 0) break;
  const caller = new AbortController();
  const reason = new Error("the client left");
  const waiting = jobs.wait(id, caller.signal).catch((error: unknown) => error);
  caller.abort(reason);
  expect(await waiting).toBe(reason);
  expect(jobs.get(id)?.state).toBe("running");
  letGo();
  expect((await jobs.wait(id)).state).toBe("done");
});

test("progress is told at most ten times a second, with speed and time left", async () => {
  await using w = await world();
  const jobs = await w.jobs();
  w.hub.faults.add({ kind: "slow", bytesPerSecond: 2 * MIB });
  const startMs = performance.now();
  const { id } = await jobs.start("split", await w.set());
  const seen: DownloadStatus[] = [];
  for await (const status of jobs.watch(id)) seen.push(status);
  const seconds = (performance.now() - startMs) / 1000;
  // The first state and the last, and what may fall on either side of a tenth of a second.
  expect(seen.length).toBeLessThanOrEqual(seconds * 10 + 4);
  const withSpeed = seen.filter(({ bytesPerSecond }) => bytesPerSecond !== undefined);
  expect(withSpeed.length).toBeGreaterThan(0);
  expect(withSpeed.every(({ etaSeconds }) => etaSeconds !== undefined)).toBe(true);
  const ofFiles = withSpeed.flatMap(({ files }) => files.filter((file) => file.bytesPerSecond));
  expect(ofFiles.length).toBeGreaterThan(0);
  expect(ofFiles.every(({ etaSeconds }) => etaSeconds !== undefined)).toBe(true);
  expect(seen.map(({ bytes }) => bytes)).toEqual(seen.map(({ bytes }) => bytes).toSorted((a, b) => a - b));
}, 20_000);

test("a paused job keeps what has arrived and goes on there", async () => {
  await using w = await world();
  const jobs = await w.jobs();
  const letGo = stallAfter(w.hub, MIB);
  const { id } = await jobs.start("split", await w.set());
  await until(jobs, id, ({ bytes }) => bytes >= 2 * MIB);
  const waiting = failure(jobs.wait(id));
  const paused = await jobs.pause(id);
  expect(paused.state).toBe("paused");
  expect(paused.bytes).toBeGreaterThan(MIB);
  expect((await waiting).code).toBe("DOWNLOAD_STOPPED");
  expect(await readdir(w.folder)).toEqual([`${id}.json`]);
  letGo();
  w.hub.requests.length = 0;
  expect((await jobs.resume(id)).state).toBe("running");
  await jobs.wait(id);
  expect(w.hub.requestsTo("cdn").reduce((sum, request) => sum + request.sentBytes, 0)).toBe(TOTAL - paused.bytes);
});

test("a cancelled job leaves nothing behind", async () => {
  await using w = await world();
  const jobs = await w.jobs();
  const letGo = stallAfter(w.hub, MIB);
  const { id } = await jobs.start("split", await w.set());
  await until(jobs, id, ({ bytes }) => bytes >= MIB);
  expect((await jobs.cancel(id)).state).toBe("cancelled");
  letGo();
  expect(await readdir(w.folder)).toEqual([]);
  expect((await readdir(w.cacheDir)).filter((name) => name.startsWith("models--"))).toEqual([]);
  expect((await jobs.wait((await jobs.start("split", await w.set())).id)).state).toBe("done");
});

test("a job that fails says why, is remembered, and can be resumed", async () => {
  await using w = await world();
  const jobs = await w.jobs();
  const off = w.hub.faults.add({ kind: "corrupt", atByte: 2 * MIB });
  const { id } = await jobs.start("split", await w.set());
  expect((await failure(jobs.wait(id))).code).toBe("CHECKSUM_MISMATCH");
  expect(jobs.get(id)).toMatchObject({ state: "failed", error: { code: "CHECKSUM_MISMATCH" } });
  await using again = await w.jobs();
  expect(again.list()).toMatchObject([{ id, state: "failed", error: { code: "CHECKSUM_MISMATCH" } }]);
  off();
  await again.resume(id);
  expect((await again.wait(id)).state).toBe("done");
});

test("a job can be resumed at the very moment it fails, and paused at the very moment it starts", async () => {
  await using w = await world();
  const jobs = await w.jobs();
  w.hub.faults.add({ kind: "corrupt", atByte: 100, times: 1 });
  const { id } = await jobs.start("split", await w.set());
  for await (const { state } of jobs.watch(id)) if (state === "failed") void jobs.resume(id);
  expect((await jobs.wait(id)).state).toBe("done");
  w.repository.commit({ ...FILES, "split-00001-of-00002.gguf": patternBytes(MIB, 33) });
  const started = jobs.start("split", await w.set());
  expect((await jobs.pause(id)).state).toBe("paused");
  expect((await started).id).toBe(id);
});

test("an orderly end of the server pauses its downloads, and the next one finds them", async () => {
  await using w = await world();
  const letGo = stallAfter(w.hub, MIB);
  const first = await w.jobs();
  const { id } = await first.start("split", await w.set());
  await until(first, id, ({ bytes }) => bytes >= MIB);
  await first[Symbol.asyncDispose]();
  expect((await failure(first.start("split", await w.set()))).code).toBe("SHUTTING_DOWN");
  letGo();
  const second = await w.jobs();
  const [found] = second.list();
  expect(found).toMatchObject({ id, label: "split", state: "paused", totalBytes: TOTAL });
  expect(found?.bytes).toBe(first.get(id)?.bytes ?? -1);
  await second.resume(id);
  expect((await second.wait(id)).bytes).toBe(TOTAL);
});

test("a killed server's download is found and goes on at the byte where it was", async () => {
  await using w = await world();
  const letGo = stallAfter(w.hub, 2 * MIB);
  const source = join(import.meta.dir, "../../src/hub");
  const script = `
    import { createDownloadJobs } from ${JSON.stringify(join(source, "download-jobs.ts"))};
    import { Downloader } from ${JSON.stringify(join(source, "download-file.ts"))};
    import { HubClient } from ${JSON.stringify(join(source, "hub-client.ts"))};
    const [settings, folder, set] = JSON.parse(process.env.PLAN);
    const jobs = await createDownloadJobs({ downloader: new Downloader({ client: new HubClient(settings) }), folder });
    const { id } = await jobs.start("split", set);
    for await (const status of jobs.watch(id)) if (status.bytes >= ${2 * MIB}) console.log("under way");`;
  const child = spawn(process.execPath, ["-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, PLAN: JSON.stringify([w.client.settings, w.folder, await w.set()]) },
  });
  await once(createInterface(child.stdout), "line");
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
  letGo();
  const jobs = await w.jobs();
  const [found] = jobs.list();
  expect(found?.state).toBe("paused");
  const blobs = await readdir(w.inRepo("blobs"));
  expect(blobs.some((name) => name.endsWith(".incomplete"))).toBe(true);
  const sizes = await Promise.all(blobs.map(async (name) => (await stat(w.inRepo("blobs", name))).size));
  expect(found?.bytes).toBe(sizes.reduce((sum, size) => sum + size, 0));
  w.hub.requests.length = 0;
  await jobs.resume(found?.id ?? "");
  await jobs.wait(found?.id ?? "");
  expect(w.hub.requestsTo("cdn").reduce((sum, request) => sum + request.sentBytes, 0)).toBe(TOTAL - (found?.bytes ?? 0));
  const at = w.inRepo("snapshots", w.repository.head, "split-00001-of-00002.gguf");
  expect(
    createHash("sha256")
      .update(await readFile(at))
      .digest("hex"),
  ).toBe(createHash("sha256").update(FIRST).digest("hex"));
}, 20_000);

test("a job that was paused before the repository moved goes on with the new commit", async () => {
  await using w = await world();
  const jobs = await w.jobs();
  const letGo = stallAfter(w.hub, MIB);
  const { id } = await jobs.start("split", await w.set());
  await until(jobs, id, ({ bytes }) => bytes >= MIB);
  await jobs.pause(id);
  letGo();
  w.repository.commit({ ...FILES, "split-00002-of-00002.gguf": patternBytes(2 * MIB, 9) });
  const again = await jobs.start("split", await w.set());
  expect(again.id).toBe(id);
  const done = await jobs.wait(id);
  expect(done).toMatchObject({ commit: w.repository.head, totalBytes: FIRST.length + 2 * MIB });
  // What had arrived of the file that is no more is gone too.
  expect((await readdir(w.inRepo("blobs"))).filter((name) => name.endsWith(".incomplete"))).toEqual([]);
});

test("a failed or interrupted newer version does not hide the one before", async () => {
  await using w = await world();
  const jobs = await w.jobs();
  await jobs.wait((await jobs.start("split", await w.set())).id);
  const before = w.repository.head;
  w.repository.commit({ ...FILES, "split-00002-of-00002.gguf": patternBytes(2 * MIB, 9) });
  w.hub.faults.add({ kind: "corrupt", atByte: 5 });
  const { id } = await jobs.start("split", await w.set());
  expect((await failure(jobs.wait(id))).code).toBe("CHECKSUM_MISMATCH");
  expect(await readFile(w.inRepo("refs", "main"), "utf8")).toBe(before);
});

test("damaged and foreign files among the remembered jobs are passed over", async () => {
  await using w = await world();
  const jobs = await w.jobs();
  const letGo = stallAfter(w.hub, MIB);
  const { id } = await jobs.start("split", await w.set());
  await jobs.pause(id);
  letGo();
  const text = await readFile(join(w.folder, `${id}.json`), "utf8");
  await writeFile(join(w.folder, "aaaaaaaaaaaa.json"), text.slice(0, 40));
  await writeFile(join(w.folder, "bbbbbbbbbbbb.json"), text.replace(id, "bbbbbbbbbbbb").replaceAll("split-00001", "../../split-00001"));
  await writeFile(join(w.folder, "notes.txt"), "mine");
  await using again = await w.jobs();
  expect(again.list().map((status) => status.id)).toEqual([id]);
});

test("an unknown job is named as such", async () => {
  await using w = await world();
  const jobs = await w.jobs();
  expect((await failure(jobs.pause("nope"))).code).toBe("DOWNLOAD_NOT_FOUND");
  expect(jobs.get("nope")).toBeUndefined();
});

test("a set that does not fit is refused as a whole before anything is fetched", async () => {
  await using w = await world();
  const downloader = new Downloader({ client: w.client, clock: systemClock, freeBytesOf: async () => TOTAL - 1 });
  await using jobs = await createDownloadJobs({ downloader, folder: w.folder });
  const { id } = await jobs.start("split", await w.set());
  expect((await failure(jobs.wait(id))).code).toBe("DISK_FULL");
  expect(w.hub.requestsTo("cdn")).toEqual([]);
});
