import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { lstat, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RouterError } from "../../src/errors.ts";
import type { Clock } from "../../src/hub/clock.ts";
import { Downloader, type FileToDownload } from "../../src/hub/download-file.ts";
import { HubClient } from "../../src/hub/hub-client.ts";
import { hubSettingsFromEnvironment, type HubSettings } from "../../src/hub/settings.ts";
import { contentOfBytes, Hub, patternBytes, type Files, type HubOptions, type Repository } from "../fixtures/hub/index.ts";
import { instantClock } from "../fixtures/instant-clock.ts";
import { temporaryFolder } from "../fixtures/temporary-folder.ts";

const MIB = 1 << 20;
/** Large enough for several parts on every connection. */
const LARGE = patternBytes(9 * MIB + 12_345);
const LARGE_SHA256 = createHash("sha256").update(LARGE).digest("hex");
const FILES: Files = { "README.md": "# tiny\n", "big-Q4_0.gguf": LARGE, "Q8_0/small-Q8_0.gguf": patternBytes(1000, 7), "empty.txt": "" };
const REPO = "org/big-GGUF";

interface World extends AsyncDisposable {
  readonly hub: Hub;
  readonly repository: Repository;
  readonly cacheDir: string;
  readonly clock: ReturnType<typeof instantClock>;
  file(path: string): FileToDownload;
  downloader(more?: {
    connections?: number;
    settings?: Partial<HubSettings>;
    clock?: Clock;
    freeBytesOf?: () => Promise<number>;
  }): Downloader;
  inRepo(...path: string[]): string;
}

async function world(options: HubOptions & { files?: Files } = {}): Promise<World> {
  const resources = new AsyncDisposableStack();
  const hub = resources.use(await Hub.start(options));
  const cacheDir = resources.use(await temporaryFolder()).path;
  const repository = hub.add(REPO, { files: options.files ?? FILES });
  const clock = instantClock();
  const settings = { ...hubSettingsFromEnvironment({}), endpoint: hub.endpoint, token: undefined, tokenFile: undefined, cacheDir };
  return {
    hub,
    repository,
    cacheDir,
    clock,
    file: (path) => ({ repo: REPO, commit: repository.head, path }),
    downloader: ({ settings: more, ...rest } = {}) =>
      new Downloader({ client: new HubClient({ ...settings, ...more }, { clock: rest.clock ?? clock }), clock, ...rest }),
    inRepo: (...path) => join(cacheDir, "models--org--big-GGUF", ...path),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

async function failure(promise: Promise<unknown>): Promise<RouterError> {
  const error = await promise.catch((thrown: unknown) => thrown);
  if (error instanceof RouterError) return error;
  throw new Error(`expected a failure, got ${String(error)}`);
}

const sha256Of = async (path: string): Promise<string> =>
  createHash("sha256")
    .update(await readFile(path))
    .digest("hex");

describe("a finished file", () => {
  test("lies in the cache as huggingface_hub lays it: a blob named by its hash and a relative link", async () => {
    await using w = await world();
    const at = await w.downloader().downloadFile(w.file("big-Q4_0.gguf"));
    expect(at).toBe(w.inRepo("snapshots", w.repository.head, "big-Q4_0.gguf"));
    expect(await readlink(at)).toBe(`../../blobs/${LARGE_SHA256}`);
    expect(await sha256Of(at)).toBe(LARGE_SHA256);
    expect(await readdir(w.inRepo("blobs"))).toEqual([LARGE_SHA256]);
    const nested = await w.downloader().downloadFile(w.file("Q8_0/small-Q8_0.gguf"));
    expect(await readlink(nested)).toStartWith("../../../blobs/");
    const plain = await w.downloader().downloadFile(w.file("README.md"));
    expect(await readFile(plain, "utf8")).toBe("# tiny\n");
    expect((await stat(await w.downloader().downloadFile(w.file("empty.txt")))).size).toBe(0);
  });

  test("came over several connections, each byte once, and its token stayed with the hub", async () => {
    await using w = await world({ tokens: ["secret"] });
    await w.downloader({ settings: { token: "secret" } }).downloadFile(w.file("big-Q4_0.gguf"));
    const ranges = w.hub.requestsTo("cdn").map((request) => request.headers["range"] ?? "none");
    expect(ranges.length).toBeGreaterThan(3);
    expect(new Set(ranges).size).toBe(ranges.length);
    const sent = w.hub.requestsTo("cdn").reduce((sum, request) => sum + request.sentBytes, 0);
    expect(sent).toBe(LARGE.length);
    expect(w.hub.requestsTo("cdn").filter((request) => request.headers["authorization"] !== undefined)).toEqual([]);
    expect(w.hub.requestsTo("hub").every((request) => request.headers["authorization"] === "Bearer secret")).toBe(true);
  });

  test("is not asked for again, offline or not", async () => {
    await using w = await world();
    await w.downloader().downloadFile(w.file("big-Q4_0.gguf"));
    const before = w.hub.requests.length;
    await w.downloader({ settings: { isOffline: true } }).downloadFile(w.file("big-Q4_0.gguf"));
    expect(w.hub.requests.length).toBe(before);
    expect((await failure(w.downloader({ settings: { isOffline: true } }).downloadFile(w.file("README.md")))).code).toBe("OFFLINE");
  });

  test("is linked, not fetched, when a new commit has the same content", async () => {
    await using w = await world();
    await w.downloader().downloadFile(w.file("big-Q4_0.gguf"));
    w.repository.commit({ ...FILES, "README.md": "# changed\n" });
    const before = w.hub.requestsTo("cdn").length;
    const at = await w.downloader().downloadFile(w.file("big-Q4_0.gguf"));
    expect(at).toContain(w.repository.head);
    expect(await sha256Of(at)).toBe(LARGE_SHA256);
    expect(w.hub.requestsTo("cdn").length).toBe(before);
  });

  test("replaces one of the wrong length that some program has left", async () => {
    await using w = await world();
    const at = await w.downloader().downloadFile(w.file("Q8_0/small-Q8_0.gguf"));
    await writeFile(at, "cut"); // Through the link: the blob itself is short now.
    await w.downloader().downloadFile({ ...w.file("Q8_0/small-Q8_0.gguf"), sizeBytes: 1000 });
    expect((await stat(at)).size).toBe(1000);
  });

  test("is the file itself where links are refused, moved when new and copied when not", async () => {
    await using w = await world();
    const noLinks = { settings: { mayLink: false } };
    const first = await w.downloader(noLinks).downloadFile(w.file("Q8_0/small-Q8_0.gguf"));
    expect((await lstat(first)).isSymbolicLink()).toBe(false);
    expect(await readdir(w.inRepo("blobs"))).toEqual([]);
    await w.downloader().downloadFile(w.file("README.md"));
    const [blob] = await readdir(w.inRepo("blobs"));
    w.repository.commit({ ...FILES, "new.txt": "" });
    const second = await w.downloader(noLinks).downloadFile(w.file("README.md"));
    expect((await lstat(second)).isSymbolicLink()).toBe(false);
    expect(await readdir(w.inRepo("blobs"))).toEqual([blob ?? ""]);
  });
});

describe("an interrupted download", () => {
  /** Aborts after so many bytes have been received. */
  async function interrupted(w: World, afterBytes: number): Promise<void> {
    const caller = new AbortController();
    const reason = new Error("interrupted");
    const error = await w
      .downloader({ connections: 1 }) // In order, so that what was received is what is kept.
      .downloadFile(w.file("big-Q4_0.gguf"), {
        signal: caller.signal,
        onProgress: ({ bytes }) => bytes >= afterBytes && caller.abort(reason),
      })
      .catch((thrown: unknown) => thrown);
    expect(error).toBe(reason);
  }

  test("leaves a prefix of the file under huggingface_hub's name, and goes on at its last byte", async () => {
    await using w = await world();
    await interrupted(w, 3 * MIB);
    const partial = w.inRepo("blobs", `${LARGE_SHA256}.incomplete`);
    const prefix = await readFile(partial);
    expect(prefix.length).toBeGreaterThan(MIB);
    expect(Buffer.compare(prefix, LARGE.subarray(0, prefix.length))).toBe(0);
    w.hub.requests.length = 0;
    const at = await w.downloader().downloadFile(w.file("big-Q4_0.gguf"));
    expect(await sha256Of(at)).toBe(LARGE_SHA256);
    const starts = w.hub.requestsTo("cdn").map((request) => Number(/bytes=(\d+)-/.exec(request.headers["range"] ?? "")?.[1]));
    expect(Math.min(...starts)).toBe(prefix.length);
    expect(await readdir(w.inRepo("blobs"))).toEqual([LARGE_SHA256]);
  });

  test("goes on from a partial file of any length, even one byte short of the end", async () => {
    for (const length of [1, 65_537, LARGE.length - 1, LARGE.length]) {
      await using w = await world();
      await mkdir(w.inRepo("blobs"), { recursive: true });
      await writeFile(w.inRepo("blobs", `${LARGE_SHA256}.incomplete`), LARGE.subarray(0, length));
      const seen: number[] = [];
      const at = await w.downloader().downloadFile(w.file("big-Q4_0.gguf"), { onProgress: ({ bytes }) => seen.push(bytes) });
      expect(await sha256Of(at)).toBe(LARGE_SHA256);
      expect([seen[0], seen.at(-1)]).toEqual([length, LARGE.length]);
      const sent = w.hub.requestsTo("cdn").reduce((sum, request) => sum + request.sentBytes, 0);
      expect(sent).toBe(LARGE.length - length);
    }
  });

  test("begins anew when what was there turns out not to be the beginning of the file", async () => {
    await using w = await world();
    await mkdir(w.inRepo("blobs"), { recursive: true });
    for (const wrong of [patternBytes(MIB, 99), patternBytes(LARGE.length + 5, 98)]) {
      await writeFile(w.inRepo("blobs", `${LARGE_SHA256}.incomplete`), wrong);
      const at = await w.downloader().downloadFile(w.file("big-Q4_0.gguf"));
      expect(await sha256Of(at)).toBe(LARGE_SHA256);
      w.repository.commit({ ...FILES, "another.txt": String(wrong.length) });
      await Bun.file(w.inRepo("blobs", LARGE_SHA256)).delete();
    }
  });

  test("of a file that changed on the hub leaves the old partial alone and fetches the new file", async () => {
    await using w = await world();
    await interrupted(w, 3 * MIB);
    const changed = patternBytes(2 * MIB, 50);
    w.repository.commit({ ...FILES, "big-Q4_0.gguf": changed });
    const at = await w.downloader().downloadFile(w.file("big-Q4_0.gguf"));
    expect(Buffer.compare(await readFile(at), changed)).toBe(0);
  });
});

describe("on a bad connection", () => {
  test("cut connections are taken up where they broke", async () => {
    await using w = await world();
    hubCuts(w.hub, [100_000, 1, 0]);
    const at = await w.downloader().downloadFile(w.file("big-Q4_0.gguf"));
    expect(await sha256Of(at)).toBe(LARGE_SHA256);
    expect(w.clock.sleepsMs.length).toBeGreaterThan(0);
  });

  function hubCuts(hub: Hub, cuts: readonly number[]): void {
    for (const [index, afterBytes] of cuts.entries()) hub.faults.add({ kind: "cut", afterBytes, times: 1, skip: 1 + 2 * index });
  }

  test("answers that are too short are completed", async () => {
    await using w = await world();
    w.hub.faults.add({ kind: "truncate", bytes: 50_000, times: 4 });
    expect(await sha256Of(await w.downloader().downloadFile(w.file("big-Q4_0.gguf")))).toBe(LARGE_SHA256);
  });

  test("busy and broken servers are given time, and what arrived before is kept when they do not recover", async () => {
    await using w = await world();
    w.hub.faults.add({ kind: "status", status: 429, headers: { "retry-after": "9" }, times: 1, skip: 2 });
    w.hub.faults.add({ kind: "status", status: 503, times: 2, skip: 1 });
    expect(await sha256Of(await w.downloader().downloadFile(w.file("big-Q4_0.gguf")))).toBe(LARGE_SHA256);
    expect(w.clock.sleepsMs).toContain(9250);
    w.repository.commit({ "other.gguf": patternBytes(6 * MIB, 4) });
    w.hub.faults.add({ kind: "status", status: 503, skip: 2 });
    expect((await failure(w.downloader().downloadFile(w.file("other.gguf")))).code).toBe("HUB_UNREACHABLE");
    const [partial] = (await readdir(w.inRepo("blobs"))).filter((name) => name.endsWith(".incomplete"));
    expect((await stat(w.inRepo("blobs", partial ?? ""))).size).toBeGreaterThan(0);
  });

  test("a connection that stands still is given up for a new one", async () => {
    await using w = await world();
    const end = Promise.withResolvers<void>();
    w.hub.faults.add({ kind: "stall", afterBytes: 200_000, times: 2, until: end.promise });
    const at = await w.downloader({ settings: { downloadTimeoutMs: 200 } }).downloadFile(w.file("big-Q4_0.gguf"));
    end.resolve();
    expect(await sha256Of(at)).toBe(LARGE_SHA256);
  });

  test("an expired address is renewed once for all connections", async () => {
    await using w = await world();
    w.hub.faults.add({ kind: "status", status: 403, times: 3, skip: 1 });
    expect(await sha256Of(await w.downloader().downloadFile(w.file("big-Q4_0.gguf")))).toBe(LARGE_SHA256);
    expect(w.hub.requestsTo("hub").length).toBeLessThanOrEqual(4);
  });

  test("a server that knows no ranges gives the whole file over one connection, also to go on", async () => {
    await using w = await world();
    w.hub.faults.add({ kind: "ignore-ranges" });
    expect(await sha256Of(await w.downloader().downloadFile(w.file("big-Q4_0.gguf")))).toBe(LARGE_SHA256);
    await using again = await world();
    again.hub.faults.add({ kind: "ignore-ranges" });
    again.hub.faults.add({
      kind: "cut",
      afterBytes: 4 * MIB,
      times: 1,
      when: (request) => request.headers["range"] === undefined && request.origin === "cdn",
    });
    const seen: number[] = [];
    const at = await again.downloader().downloadFile(again.file("big-Q4_0.gguf"), { onProgress: ({ bytes }) => seen.push(bytes) });
    expect(await sha256Of(at)).toBe(LARGE_SHA256);
    expect(seen.at(-1)).toBe(LARGE.length);
  });
});

describe("a file that is not what the hub says", () => {
  test("is refused and dropped when a bit has flipped", async () => {
    await using w = await world();
    w.hub.faults.add({ kind: "corrupt", atByte: 5 * MIB });
    const error = await failure(w.downloader().downloadFile(w.file("big-Q4_0.gguf")));
    expect([error.code, error.message]).toEqual([
      "CHECKSUM_MISMATCH",
      `${REPO}/big-Q4_0.gguf does not have the sha256 that the hub names: ${LARGE_SHA256}`,
    ]);
    expect(await readdir(w.inRepo("blobs"))).toEqual([]);
    expect((await readdir(w.inRepo("snapshots"), { recursive: true })).filter((path) => path.endsWith(".gguf"))).toEqual([]);
  });

  test("is checked by its git hash when it is not in LFS", async () => {
    await using w = await world();
    const isReadme = {
      when: (request: { method: string; path: string }) => request.method === "GET" && request.path.endsWith("README.md"),
    };
    w.hub.faults.add({ kind: "corrupt", atByte: 2, ...isReadme });
    expect((await failure(w.downloader().downloadFile(w.file("README.md")))).code).toBe("CHECKSUM_MISMATCH");
  });

  test("never mixes two versions when it changes between two ranges", async () => {
    await using w = await world();
    w.hub.faults.add({ kind: "replace", content: contentOfBytes(patternBytes(LARGE.length, 60)), skip: 2, times: 2 });
    expect(await sha256Of(await w.downloader().downloadFile(w.file("big-Q4_0.gguf")))).toBe(LARGE_SHA256);
  });

  test("may change more often than is tolerated in a row, as long as more of it arrives in between", async () => {
    const content = patternBytes(40 * MIB, 7);
    await using w = await world({ files: { "huge-Q4_0.gguf": content } });
    // Every second answer is another file's.
    for (const skip of [1, 3, 5, 7]) {
      w.hub.faults.add({ kind: "replace", content: contentOfBytes(patternBytes(content.length, 60)), skip, times: 1 });
    }
    const at = await w.downloader({ connections: 1 }).downloadFile(w.file("huge-Q4_0.gguf"));
    expect(Buffer.compare(await readFile(at), content)).toBe(0);
    expect(w.hub.requestsTo("hub").filter(({ method, path }) => method === "HEAD" && path.includes("/resolve/")).length).toBe(5);
  });

  test("is refused when the server keeps another one, and the good beginning is kept", async () => {
    await using w = await world();
    w.hub.faults.add({ kind: "replace", content: contentOfBytes(patternBytes(LARGE.length - 7, 61)), skip: 1 });
    const error = await failure(w.downloader().downloadFile(w.file("big-Q4_0.gguf")));
    expect(error.code).toBe("DOWNLOAD_FAILED");
    const kept = await readFile(w.inRepo("blobs", `${LARGE_SHA256}.incomplete`));
    expect(Buffer.compare(kept, LARGE.subarray(0, kept.length))).toBe(0);
  });

  test("of which a part is refused by the licence is so with the address where to accept it", async () => {
    await using w = await world();
    const isReadme = (request: { method: string; path: string }) => request.method === "GET" && request.path.endsWith("README.md");
    w.hub.faults.add({ kind: "status", status: 403, headers: { "x-error-code": "GatedRepo" }, when: isReadme });
    const error = await failure(w.downloader().downloadFile(w.file("README.md")));
    expect([error.code, error.hint]).toEqual(["HUB_GATED", expect.stringContaining(`${w.hub.endpoint}/${REPO},`)]);
  });

  test("is noted as absent when the commit has none of that name", async () => {
    await using w = await world();
    expect((await failure(w.downloader().downloadFile(w.file("none.json")))).code).toBe("HUB_NOT_FOUND");
    expect((await stat(w.inRepo(".no_exist", w.repository.head, "none.json"))).size).toBe(0);
  });
});

describe("the disk", () => {
  test("is asked for room before the first byte", async () => {
    await using w = await world();
    const error = await failure(w.downloader({ freeBytesOf: async () => 5_000_000 }).downloadFile(w.file("big-Q4_0.gguf")));
    expect([error.code, error.message]).toEqual(["DISK_FULL", `${REPO}/big-Q4_0.gguf needs 9 MB more, and ${w.cacheDir} has 5 MB free`]);
    expect(w.hub.requestsTo("cdn")).toEqual([]);
  });

  test("is never written outside the cache", async () => {
    await using w = await world();
    await using elsewhere = await temporaryFolder();
    const { head } = w.repository;
    for (const path of ["../x", "/etc/x", "a/../../x", "a\\..\\x"]) {
      expect((await failure(w.downloader().downloadFile(w.file(path)))).code).toBe("INVALID_REQUEST");
    }
    expect((await failure(w.downloader().downloadFile({ repo: REPO, commit: "../../x", path: "a" }))).code).toBe("INVALID_REQUEST");
    await mkdir(w.inRepo("snapshots", head), { recursive: true });
    await symlink(elsewhere.path, w.inRepo("snapshots", head, "Q8_0"));
    expect((await failure(w.downloader().downloadFile(w.file("Q8_0/small-Q8_0.gguf")))).code).toBe("CACHE_NOT_WRITABLE");
    expect(await readdir(elsewhere.path)).toEqual([]);
  });
});

test("two downloads of one file at once fetch it once", async () => {
  await using w = await world();
  const [first, second] = await Promise.all([
    w.downloader().downloadFile(w.file("big-Q4_0.gguf")),
    w.downloader().downloadFile(w.file("big-Q4_0.gguf")),
  ]);
  expect(first).toBe(second);
  expect(w.hub.requestsTo("cdn").reduce((sum, request) => sum + request.sentBytes, 0)).toBe(LARGE.length);
});
