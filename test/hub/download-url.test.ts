import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { downloadUrl, type UrlDownload } from "../../src/hub/index.ts";
import { patternBytes } from "../fixtures/hub/index.ts";
import { rejection } from "../fixtures/index.ts";
import { instantClock } from "../fixtures/instant-clock.ts";
import { ReleaseServer } from "../fixtures/releases/index.ts";
import { temporaryFolder } from "../fixtures/temporary-folder.ts";

const CONTENT = patternBytes(3 * 2 ** 20 + 17);
const SHA256 = createHash("sha256").update(CONTENT).digest("hex");
let server: ReleaseServer;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  server = await ReleaseServer.start();
  server.publish("owner/engine", "v1", { "engine.zip": CONTENT });
});
afterAll(async () => await server[Symbol.asyncDispose]());
beforeEach(async () => {
  folder = await temporaryFolder();
  server.requests.length = 0;
});
afterEach(async () => {
  server.faults.clear();
  await folder[Symbol.asyncDispose]();
});

const download = async (options: Partial<UrlDownload> = {}, env: Record<string, string> = { HF_TOKEN: "hf_secret" }): Promise<void> =>
  await downloadUrl(
    {
      url: `${server.url}/owner/engine/releases/download/v1/engine.zip`,
      destination: join(folder.path, "engine.zip"),
      sha256: SHA256,
      ...options,
    },
    { env, clock: instantClock() },
  );
const arrived = async (): Promise<string[]> => (await readdir(folder.path)).toSorted();
const isWhole = async (): Promise<boolean> => Buffer.from(CONTENT).equals(await readFile(join(folder.path, "engine.zip")));

describe("a file from any address", () => {
  test("comes whole, with its progress, without a token, and leaves nothing beside it", async () => {
    const progress: number[] = [];
    await download({ onProgress: (done, total) => progress.push(done / (total ?? 0)) });
    expect(await isWhole()).toBe(true);
    expect(progress.at(-1)).toBe(1);
    expect(await arrived()).toEqual(["engine.zip"]);
    expect(server.requests.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
  });

  test("goes on where its connection was cut", async () => {
    server.faults.add({ kind: "cut", afterBytes: 1_000_000, times: 2 });
    await download();
    expect(await isWhole()).toBe(true);
  });

  test("goes on where an earlier try was aborted, and not from the beginning", async () => {
    // One part holds all of it: with several, what had arrived ahead of its turn would not be kept.
    const content = patternBytes(2_000_000, 7);
    server.publish("owner/engine", "v2", { "engine.zip": content });
    const url = `${server.url}/owner/engine/releases/download/v2/engine.zip`;
    const sha256 = createHash("sha256").update(content).digest("hex");
    const controller = new AbortController();
    const onProgress = (done: number): void => {
      if (done > 1_500_000) controller.abort(new Error("enough"));
    };
    expect((await rejection(download({ url, sha256, onProgress, signal: controller.signal }))).message).toBe("enough");
    const [partial = ""] = await arrived();
    expect(partial).toEndWith(".incomplete");
    const progress: number[] = [];
    await download({ url, sha256, onProgress: (done) => progress.push(done) });
    expect(progress[0]).toBeGreaterThan(1_500_000);
    expect(Buffer.from(content).equals(await readFile(join(folder.path, "engine.zip")))).toBe(true);
    expect(await arrived()).toEqual(["engine.zip"]);
  });

  test("comes in one piece from a server that knows no ranges", async () => {
    server.faults.add({ kind: "ignore-ranges" });
    await download();
    expect(await isWhole()).toBe(true);
  });

  test("with the wrong content is refused and dropped", async () => {
    const error = await rejection(download({ sha256: "0".repeat(64) }));
    expect(error).toMatchObject({ code: "CHECKSUM_MISMATCH" });
    expect(await arrived()).toEqual([]);
  });

  test("that is here already is checked and not fetched again; another one of its name is replaced", async () => {
    await download();
    const asked = server.requests.filter(({ range }) => range !== "bytes=0-0").length;
    await download();
    expect(server.requests.filter(({ range, origin }) => origin === "files" && range !== "bytes=0-0").length).toBeLessThanOrEqual(asked);
    await writeFile(join(folder.path, "engine.zip"), Buffer.alloc(CONTENT.length));
    await download();
    expect(await isWhole()).toBe(true);
  });

  test("that does not exist tells the server's answer", async () => {
    const error = await rejection(download({ url: `${server.url}/owner/engine/releases/download/v1/other.zip` }));
    expect(error).toMatchObject({ code: "DOWNLOAD_FAILED", status: 404 });
    expect(await arrived()).toEqual([]);
  });

  test("is not asked for in offline mode", async () => {
    expect(await rejection(download({}, { LEMONADE_OFFLINE: "1" }))).toMatchObject({ code: "OFFLINE" });
    expect(server.requests).toEqual([]);
  });

  test("is fetched by one of several at once", async () => {
    await Promise.all([download(), download(), download()]);
    expect(await isWhole()).toBe(true);
    expect(await arrived()).toEqual(["engine.zip"]);
  });
});
