import { beforeAll, describe, expect, test } from "bun:test";
import { lstat, mkdir, readdir, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RouterError } from "../../src/errors.ts";
import { deleteFiles } from "../../src/hub/delete-files.ts";
import { Downloader } from "../../src/hub/download-file.ts";
import { downloadSet } from "../../src/hub/download-set.ts";
import { HubClient } from "../../src/hub/hub-client.ts";
import { hubSettingsFromEnvironment } from "../../src/hub/settings.ts";
import { Hub, huggingfaceHubPython, patternBytes, runPython, type Files, type Repository } from "../fixtures/hub/index.ts";
import { instantClock } from "../fixtures/instant-clock.ts";
import { temporaryFolder } from "../fixtures/temporary-folder.ts";

const REPO = "org/tiny-GGUF";
const FILES: Files = {
  "tiny-Q4_0.gguf": patternBytes(4000, 1),
  "Q8_0/tiny-Q8_0-00001-of-00002.gguf": patternBytes(8000, 2),
  "Q8_0/tiny-Q8_0-00002-of-00002.gguf": patternBytes(8001, 3),
  "mmproj.gguf": patternBytes(500, 4),
};

interface World extends AsyncDisposable {
  readonly cacheDir: string;
  readonly repository: Repository;
  readonly endpoint: string;
  inRepo(...path: string[]): string;
  download(...paths: string[]): Promise<void>;
}

async function world(mayLink = true): Promise<World> {
  const resources = new AsyncDisposableStack();
  const hub = resources.use(await Hub.start());
  const cacheDir = resources.use(await temporaryFolder()).path;
  const repository = hub.add(REPO, { files: FILES });
  const clock = instantClock();
  const settings = { ...hubSettingsFromEnvironment({}), endpoint: hub.endpoint, tokenFile: undefined, cacheDir, mayLink };
  const client = new HubClient(settings, { clock });
  return {
    cacheDir,
    repository,
    endpoint: hub.endpoint,
    inRepo: (...path) => join(cacheDir, "models--org--tiny-GGUF", ...path),
    async download(...paths) {
      const list = await client.listFiles(REPO);
      const files = list.files.filter(({ path }) => paths.includes(path));
      await downloadSet(new Downloader({ client, clock }), { ...list, revision: "main", files });
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

const tree = async (folder: string): Promise<string[]> => (await readdir(folder, { recursive: true }).catch(() => ["(none)"])).toSorted();

async function failure(promise: Promise<unknown>): Promise<RouterError> {
  const error = await promise.catch((thrown: unknown) => thrown);
  if (error instanceof RouterError) return error;
  throw new Error(`expected a failure, got ${String(error)}`);
}

test("one variant goes with its blobs and its folder, the other stays", async () => {
  await using w = await world();
  await w.download("tiny-Q4_0.gguf", "Q8_0/tiny-Q8_0-00001-of-00002.gguf", "Q8_0/tiny-Q8_0-00002-of-00002.gguf");
  const commit = w.repository.head;
  const shards = ["Q8_0/tiny-Q8_0-00001-of-00002.gguf", "Q8_0/tiny-Q8_0-00002-of-00002.gguf", "Q8_0/none.gguf"];
  const entries = shards.map((path) => ({ commit, path }));
  const deleted = await deleteFiles(REPO, entries, { cacheDir: w.cacheDir });
  expect(deleted).toEqual({ entries: entries.slice(0, 2), freedBytes: 16_001 });
  expect(await tree(w.inRepo("snapshots"))).toEqual([commit, `${commit}/tiny-Q4_0.gguf`]);
  expect(await readdir(w.inRepo("blobs"))).toHaveLength(1);
  expect(await readdir(w.inRepo("refs"))).toEqual(["main"]);
});

test("the last variant takes the folder of the repository along, without links too", async () => {
  for (const mayLink of [true, false]) {
    await using w = await world(mayLink);
    await w.download("tiny-Q4_0.gguf");
    const deleted = await deleteFiles(REPO, [{ commit: w.repository.head, path: "tiny-Q4_0.gguf" }], { cacheDir: w.cacheDir });
    expect(deleted.freedBytes).toBe(4000);
    expect((await readdir(w.cacheDir)).filter((name) => name !== ".locks")).toEqual([]);
  }
});

test("a blob that another snapshot needs stays, until that one goes too", async () => {
  await using w = await world();
  await w.download("tiny-Q4_0.gguf");
  const old = w.repository.head;
  w.repository.commit({ ...FILES, "README.md": "new" });
  await w.download("tiny-Q4_0.gguf");
  const path = "tiny-Q4_0.gguf";
  expect((await deleteFiles(REPO, [{ commit: old, path }], { cacheDir: w.cacheDir })).freedBytes).toBe(0);
  expect(await readdir(w.inRepo("blobs"))).toHaveLength(1);
  expect(await readdir(w.inRepo("snapshots"))).toEqual([w.repository.head]);
  expect((await deleteFiles(REPO, [{ commit: w.repository.head, path }], { cacheDir: w.cacheDir })).freedBytes).toBe(4000);
});

test("a ref goes with the snapshot that it names", async () => {
  await using w = await world();
  await w.download("tiny-Q4_0.gguf");
  const old = w.repository.head;
  w.repository.commit({ ...FILES, "tiny-Q4_0.gguf": patternBytes(4000, 77) });
  await w.download("tiny-Q4_0.gguf");
  await deleteFiles(REPO, [{ commit: w.repository.head, path: "tiny-Q4_0.gguf" }], { cacheDir: w.cacheDir });
  expect(await readdir(w.inRepo("snapshots"))).toEqual([old]);
  expect(await tree(w.inRepo("refs"))).toEqual(["(none)"]);
});

test("begun downloads stay unless nobody wants them", async () => {
  await using w = await world();
  await w.download("tiny-Q4_0.gguf");
  const [wanted, unwanted] = ["a".repeat(64), "b".repeat(64)];
  for (const name of [wanted, unwanted]) await writeFile(w.inRepo("blobs", `${name}.incomplete`), "begun");
  const entries = [{ commit: w.repository.head, path: "tiny-Q4_0.gguf" }];
  await deleteFiles(REPO, entries, { cacheDir: w.cacheDir, isWanted: (blob) => blob === wanted });
  expect(await tree(w.inRepo())).toEqual(["blobs", `blobs/${wanted}.incomplete`, "snapshots"]);
  await deleteFiles(REPO, entries, { cacheDir: w.cacheDir, isWanted: () => false });
  expect(await tree(w.inRepo())).toEqual(["(none)"]);
});

test("a model that is not there is deleted already", async () => {
  await using w = await world();
  expect(await deleteFiles("org/none", [{ commit: "a".repeat(40), path: "x" }], { cacheDir: w.cacheDir })).toEqual({
    entries: [],
    freedBytes: 0,
  });
});

describe("nothing outside the cache is touched", () => {
  test("by names that lead out of it", async () => {
    await using w = await world();
    await w.download("tiny-Q4_0.gguf");
    await writeFile(join(w.cacheDir, "precious"), "x");
    const { head } = w.repository;
    for (const [commit, path] of [
      [head, "../../../precious"],
      ["../..", "precious"],
      ["..", "x"],
      [head, join(w.cacheDir, "precious")],
      [head, "a\\..\\b"],
    ] as const) {
      expect((await failure(deleteFiles(REPO, [{ commit, path }], { cacheDir: w.cacheDir }))).code).toBe("INVALID_REQUEST");
    }
    expect(await deleteFiles("../precious", [{ commit: head, path: "x" }], { cacheDir: w.cacheDir })).toEqual({
      entries: [],
      freedBytes: 0,
    });
    expect(await readdir(w.cacheDir)).toContain("precious");
  });

  test("by links in place of folders or blobs", async () => {
    await using w = await world();
    await using elsewhere = await temporaryFolder();
    await w.download("tiny-Q4_0.gguf");
    const { head } = w.repository;
    await writeFile(join(elsewhere.path, "precious.gguf"), "x");
    await mkdir(join(elsewhere.path, "empty"));
    await symlink(elsewhere.path, w.inRepo("snapshots", head, "sub"));
    await symlink(elsewhere.path, w.inRepo("snapshots", "c".repeat(40)));
    await symlink(join(elsewhere.path, "precious.gguf"), w.inRepo("snapshots", head, "linked.gguf"));
    const { cacheDir } = w;
    expect((await failure(deleteFiles(REPO, [{ commit: head, path: "sub/precious.gguf" }], { cacheDir }))).code).toBe("CACHE_NOT_WRITABLE");
    expect((await failure(deleteFiles(REPO, [{ commit: "c".repeat(40), path: "precious.gguf" }], { cacheDir }))).code).toBe(
      "CACHE_NOT_WRITABLE",
    );
    await deleteFiles(
      REPO,
      [
        { commit: head, path: "linked.gguf" },
        { commit: head, path: "tiny-Q4_0.gguf" },
      ],
      { cacheDir },
    );
    expect(await tree(elsewhere.path)).toEqual(["empty", "precious.gguf"]);
    await rename(w.inRepo(), join(elsewhere.path, "moved"));
    await symlink(join(elsewhere.path, "moved"), w.inRepo());
    expect((await failure(deleteFiles(REPO, [{ commit: head, path: "tiny-Q4_0.gguf" }], { cacheDir }))).code).toBe("CACHE_NOT_WRITABLE");
  });
});

describe("with huggingface_hub's store of shared blobs", () => {
  beforeAll(async () => void (await huggingfaceHubPython("2.4.0")), 300_000);

  test("a shared blob goes with the last link to it, and not before", async () => {
    await using w = await world();
    await w.download("tiny-Q4_0.gguf");
    const [blob = ""] = await readdir(w.inRepo("blobs"));
    // What the library does with a file that came by its Xet protocol, for two repositories.
    const script = `
import json, os, shutil
from huggingface_hub.utils import _shared_blobs as shared
cache, name, xet = os.environ["HF_HUB_CACHE"], "${blob}", "ab" + "0" * 62
first = os.path.join(cache, "models--org--tiny-GGUF", "blobs", name)
second = os.path.join(cache, "models--org--twin-GGUF", "blobs", name)
shutil.copytree(os.path.join(cache, "models--org--tiny-GGUF"), os.path.join(cache, "models--org--twin-GGUF"), symlinks=True)
print(json.dumps([shared.publish_blob_to_shared_store(blob_path=path, xet_hash=xet, cache_dir=cache, expected_size=4000) for path in (first, second)]))`;
    expect(await runPython("2.4.0", script, { endpoint: w.endpoint, cacheDir: w.cacheDir })).toEqual([true, true]);
    expect((await lstat(w.inRepo("blobs", blob))).isSymbolicLink()).toBe(true);
    const entries = [{ commit: w.repository.head, path: "tiny-Q4_0.gguf" }];
    expect((await deleteFiles(REPO, entries, { cacheDir: w.cacheDir })).freedBytes).toBe(0);
    expect(await readdir(join(w.cacheDir, "blobs", "ab"))).toContain(`ab${"0".repeat(62)}`);
    expect((await deleteFiles("org/twin-GGUF", entries, { cacheDir: w.cacheDir })).freedBytes).toBe(4000);
    expect(await readdir(join(w.cacheDir, "blobs", "ab"))).toEqual([`ab${"0".repeat(62)}.lock`]);
  }, 30_000);
});
