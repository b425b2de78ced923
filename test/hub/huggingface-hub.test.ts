import { beforeAll, describe, expect, test } from "bun:test";
import { lstat, readdir, readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  createDownloadJobs,
  deleteFiles,
  Downloader,
  downloadSet,
  HubClient,
  hubSettingsFromEnvironment,
  type DownloadJobs,
} from "../../src/hub/index.ts";
import {
  HUGGINGFACE_HUB_VERSIONS,
  Hub,
  huggingfaceHubPython,
  patternBytes,
  runPython,
  type Files,
  type Repository,
} from "../fixtures/hub/index.ts";
import { instantClock } from "../fixtures/instant-clock.ts";
import { temporaryFolder } from "../fixtures/temporary-folder.ts";

const REPO = "org/tiny-GGUF";
const BIG = patternBytes(6_000_000, 5);
const FILES: Files = {
  "README.md": "# tiny\n",
  "config.json": "{}",
  "tiny-Q4_0.gguf": BIG,
  "Q8_0/tiny-Q8_0-00001-of-00002.gguf": patternBytes(8000, 2),
  "Q8_0/tiny-Q8_0-00002-of-00002.gguf": patternBytes(8001, 3),
};
const ALL = Object.keys(FILES).toSorted();

interface World extends AsyncDisposable {
  readonly hub: Hub;
  readonly repository: Repository;
  /** A cache of its own for each name. */
  cacheDir(name: string): string;
  client(name: string, more?: { isOffline?: boolean; mayLink?: boolean }): HubClient;
  download(name: string, paths?: readonly string[], more?: { mayLink?: boolean }): Promise<readonly string[]>;
}

async function world(): Promise<World> {
  const resources = new AsyncDisposableStack();
  const hub = resources.use(await Hub.start());
  const root = resources.use(await temporaryFolder()).path;
  const repository = hub.add(REPO, { files: FILES });
  const w: World = {
    hub,
    repository,
    cacheDir: (name) => join(root, name),
    client: (name, more) =>
      new HubClient(
        { ...hubSettingsFromEnvironment({}), endpoint: hub.endpoint, tokenFile: undefined, cacheDir: join(root, name), ...more },
        { clock: instantClock() },
      ),
    async download(name, paths = ALL, more) {
      const client = w.client(name, more);
      const list = await client.listFiles(REPO);
      const files = list.files.filter(({ path }) => paths.includes(path));
      return await downloadSet(new Downloader({ client }), { ...list, revision: "main", files });
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
  return w;
}

interface PausedDownload extends AsyncDisposable {
  readonly client: HubClient;
  readonly jobs: DownloadJobs;
  readonly id: string;
}

/** Our download of one file, stopped after its first megabyte. The hub sends everything to whoever asks next. */
async function downloadPausedInItsMiddle(w: World, name: string): Promise<PausedDownload> {
  await using begun = new AsyncDisposableStack();
  const end = Promise.withResolvers<void>();
  const off = w.hub.faults.add({ kind: "stall", afterBytes: 1_500_000, until: end.promise });
  const client = w.client("shared");
  const folder = begun.use(await temporaryFolder());
  const jobs = begun.use(await createDownloadJobs({ downloader: new Downloader({ client }), folder: folder.path }));
  const list = await client.listFiles(REPO);
  const { id } = await jobs.start("tiny", { ...list, revision: "main", files: list.files.filter(({ path }) => path === name) });
  for await (const { bytes } of jobs.watch(id)) if (bytes > 1_000_000) break;
  await jobs.pause(id);
  off();
  end.resolve();
  const resources = begun.move();
  return { client, jobs, id, [Symbol.asyncDispose]: async () => await resources.disposeAsync() };
}

/** Everything below a repository's folder: names, kinds, link targets, modes and contents' sizes. */
async function layout(cacheDir: string): Promise<readonly string[]> {
  const root = join(cacheDir, "models--org--tiny-GGUF");
  const lines = (await readdir(root, { recursive: true })).map(async (path) => {
    const found = await lstat(join(root, path));
    if (found.isSymbolicLink()) return `${path} -> ${await readlink(join(root, path))}`;
    return `${path} ${found.isDirectory() ? "folder" : `${(found.mode & 0o777).toString(8)} ${found.size} bytes`}`;
  });
  // Version 2 adds a file list of its own, which it makes anew when it is not there.
  return (await Promise.all(lines)).filter((line) => !line.startsWith("trees")).toSorted();
}

describe.each(HUGGINGFACE_HUB_VERSIONS)("huggingface_hub %s and we", (version) => {
  beforeAll(async () => void (await huggingfaceHubPython(version)), 300_000);

  const python = (w: World, name: string, script: string): Promise<unknown> =>
    runPython(version, script, { endpoint: w.hub.endpoint, cacheDir: w.cacheDir(name) });

  const SCAN = `
import json
from huggingface_hub import scan_cache_dir
info = scan_cache_dir()
print(json.dumps([[str(w) for w in info.warnings], sorted([repo.repo_id, repo.nb_files, repo.size_on_disk] for repo in info.repos)]))`;

  test("make the same files, byte for byte, and the same links", async () => {
    await using w = await world();
    await w.download("ours");
    await python(w, "theirs", `from huggingface_hub import snapshot_download; snapshot_download("${REPO}"); print(0)`);
    expect(await layout(w.cacheDir("ours"))).toEqual(await layout(w.cacheDir("theirs")));
    expect(await readdir(join(w.cacheDir("ours"), ".locks", "models--org--tiny-GGUF"))).toEqual(
      await readdir(join(w.cacheDir("theirs"), ".locks", "models--org--tiny-GGUF")),
    );
  }, 60_000);

  test("what we download, Python finds without a hub, and its scan has nothing to complain about", async () => {
    await using w = await world();
    await w.download("shared");
    await new Downloader({ client: w.client("shared") })
      .downloadFile({ repo: REPO, commit: w.repository.head, path: "none.json" })
      .catch(() => {});
    const before = w.hub.requests.length;
    const found = await python(
      w,
      "shared",
      `
import json, os
from huggingface_hub import hf_hub_download, snapshot_download, try_to_load_from_cache
folder = snapshot_download("${REPO}", local_files_only=True)
files = [hf_hub_download("${REPO}", name, local_files_only=True) for name in ${JSON.stringify(ALL)}]
print(json.dumps([os.path.basename(folder), [os.path.getsize(file) for file in files], str(type(try_to_load_from_cache("${REPO}", "none.json")))]))`,
    );
    const sizes = ALL.map((path) => w.repository.resolve("main")?.tree.get(path)?.content.sizeBytes);
    expect(found).toEqual([w.repository.head, sizes, "<class 'object'>"]);
    expect(w.hub.requests.length).toBe(before);
    expect(await python(w, "shared", SCAN)).toEqual([[], [[REPO, 5, 6_016_010]]]);
  }, 60_000);

  test("what Python downloads, we find without a hub", async () => {
    await using w = await world();
    await python(w, "shared", `from huggingface_hub import snapshot_download; snapshot_download("${REPO}"); print(0)`);
    const before = w.hub.requests.length;
    const downloader = new Downloader({ client: w.client("shared", { isOffline: true }) });
    const paths = await Promise.all(ALL.map((path) => downloader.downloadFile({ repo: REPO, commit: w.repository.head, path })));
    expect(Buffer.compare(await readFile(paths[ALL.indexOf("tiny-Q4_0.gguf")] ?? ""), BIG)).toBe(0);
    expect(w.hub.requests.length).toBe(before);
  }, 60_000);

  test("a moved branch is followed by both, and equal files are fetched once", async () => {
    await using w = await world();
    await python(w, "shared", `from huggingface_hub import snapshot_download; snapshot_download("${REPO}"); print(0)`);
    w.repository.commit({ ...FILES, "README.md": "# moved\n" });
    w.hub.requests.length = 0;
    await w.download("shared");
    expect(w.hub.requestsTo("cdn").filter(({ method }) => method === "GET")).toEqual([]);
    const script = `
import os
from huggingface_hub import snapshot_download
print('"' + os.path.basename(snapshot_download("${REPO}", local_files_only=True)) + '"')`;
    expect(await python(w, "shared", script)).toBe(w.repository.head);
    expect(await python(w, "shared", SCAN)).toEqual([[], [[REPO, 6, 6_016_018]]]);
  }, 60_000);

  test("a variant that we delete is gone for Python, the other and what they share is not", async () => {
    await using w = await world();
    await w.download("shared");
    const old = w.repository.head;
    w.repository.commit({ ...FILES, "README.md": "# moved\n" });
    await w.download("shared");
    const shards = ALL.filter((path) => path.startsWith("Q8_0/"));
    const deleted = await deleteFiles(
      REPO,
      shards.map((path) => ({ commit: w.repository.head, path })),
      { cacheDir: w.cacheDir("shared") },
    );
    expect(deleted.freedBytes).toBe(0);
    const script = `
import json
from huggingface_hub import hf_hub_download
def has(name, revision):
    try: return bool(hf_hub_download("${REPO}", name, revision=revision, local_files_only=True))
    except Exception: return False
print(json.dumps([has("tiny-Q4_0.gguf", "main"), has("${shards[0]}", "main"), has("${shards[0]}", "${old}")]))`;
    expect(await python(w, "shared", script)).toEqual([true, false, true]);
    expect(await python(w, "shared", SCAN)).toEqual([[], [[REPO, 6, 6_016_018]]]);
    await deleteFiles(
      REPO,
      ALL.map((path) => ({ commit: old, path })),
      { cacheDir: w.cacheDir("shared") },
    );
    expect(await python(w, "shared", SCAN)).toEqual([[], [[REPO, 3, 6_000_010]]]);
  }, 60_000);

  test("a revision that Python deletes is fetched anew by us, and only what is missing", async () => {
    await using w = await world();
    await w.download("shared");
    const old = w.repository.head;
    w.repository.commit({ ...FILES, "tiny-Q4_0.gguf": patternBytes(70_000, 8) });
    await w.download("shared");
    await python(
      w,
      "shared",
      `from huggingface_hub import scan_cache_dir; scan_cache_dir().delete_revisions("${old}").execute(); print(0)`,
    );
    w.hub.requests.length = 0;
    const at = await new Downloader({ client: w.client("shared") }).downloadFile({ repo: REPO, commit: old, path: "tiny-Q4_0.gguf" });
    expect(Buffer.compare(await readFile(at), BIG)).toBe(0);
    await new Downloader({ client: w.client("shared") }).downloadFile({ repo: REPO, commit: old, path: "config.json" });
    expect(w.hub.requestsTo("cdn").reduce((sum, { sentBytes }) => sum + sentBytes, 0)).toBe(BIG.length);
  }, 60_000);

  test("files without links are found by Python too", async () => {
    await using w = await world();
    await w.download("shared", ALL, { mayLink: false });
    const script = `
import json, os
from huggingface_hub import hf_hub_download
print(json.dumps(os.path.getsize(hf_hub_download("${REPO}", "tiny-Q4_0.gguf", local_files_only=True))))`;
    expect(await python(w, "shared", script)).toBe(BIG.length);
    expect(await python(w, "shared", SCAN)).toEqual([[], [[REPO, 5, 6_016_010]]]);
  }, 60_000);

  test("two programs that want one file at once fetch it once", async () => {
    await using w = await world();
    const end = Promise.withResolvers<void>();
    // Python has the lock and stands still in the middle; we wait for it, and it finishes when it may.
    w.hub.faults.add({ kind: "stall", afterBytes: 1_000_000, times: 1, until: end.promise });
    const theirs = python(
      w,
      "shared",
      `from huggingface_hub import hf_hub_download; hf_hub_download("${REPO}", "tiny-Q4_0.gguf"); print(0)`,
    );
    while (!w.hub.requestsTo("cdn").some(({ sentBytes }) => sentBytes >= 1_000_000)) await new Promise((resolve) => setTimeout(resolve, 5));
    const ours = new Downloader({ client: w.client("shared") }).downloadFile(
      { repo: REPO, commit: w.repository.head, path: "tiny-Q4_0.gguf" },
      { onWaiting: end.resolve },
    );
    await Promise.all([theirs, ours]);
    expect(Buffer.compare(await readFile(await ours), BIG)).toBe(0);
    const [blob = "", ...more] = await readdir(join(w.cacheDir("shared"), "models--org--tiny-GGUF", "blobs"));
    expect([blob.length, more]).toEqual([64, []]);
    // Nothing of it came to us: all requests for bytes were Python's.
    const agents = new Set(w.hub.requestsTo("cdn").map(({ headers }) => headers["user-agent"]?.includes("hf_hub")));
    expect([...agents]).toEqual([true]);
  }, 60_000);
});

describe("partial files, with the version that keeps them", () => {
  const version = "0.33.0";
  const name = "tiny-Q4_0.gguf";
  beforeAll(async () => void (await huggingfaceHubPython(version)), 300_000);

  const download = (w: World): Promise<unknown> =>
    runPython(version, `from huggingface_hub import hf_hub_download; hf_hub_download("${REPO}", "${name}"); print(0)`, {
      endpoint: w.hub.endpoint,
      cacheDir: w.cacheDir("shared"),
    });

  async function partialBytes(w: World): Promise<number> {
    const blobs = join(w.cacheDir("shared"), "models--org--tiny-GGUF", "blobs");
    const [partial = ""] = (await readdir(blobs)).filter((name) => name.endsWith(".incomplete"));
    return (await stat(join(blobs, partial))).size;
  }

  test("what Python has begun, we finish from its last byte on", async () => {
    await using w = await world();
    // A wrong length ends Python's download after it has written what it got.
    const off = w.hub.faults.add({ kind: "truncate", bytes: 2_500_001 });
    await download(w).catch(() => {});
    off();
    expect(await partialBytes(w)).toBe(2_500_001);
    w.hub.requests.length = 0;
    await w.download("shared", [name]);
    expect(w.hub.requestsTo("cdn").reduce((sum, { sentBytes }) => sum + sentBytes, 0)).toBe(BIG.length - 2_500_001);
  }, 60_000);

  test("what we have begun, Python finishes from our last byte on", async () => {
    await using w = await world();
    await using paused = await downloadPausedInItsMiddle(w, name);
    const begun = await partialBytes(w);
    expect(begun).toBeGreaterThan(0);
    w.hub.requests.length = 0;
    await download(w);
    expect(w.hub.requestsTo("cdn").map(({ headers }) => headers["range"])).toEqual([`bytes=${begun}-`]);
    const at = await new Downloader({ client: paused.client }).downloadFile({ repo: REPO, commit: w.repository.head, path: name });
    expect(Buffer.compare(await readFile(at), BIG)).toBe(0);
  }, 60_000);
});

describe.each(HUGGINGFACE_HUB_VERSIONS)("a first download in its middle and huggingface_hub %s", (version) => {
  beforeAll(async () => void (await huggingfaceHubPython(version)), 300_000);

  test("its scan of the cache has nothing to complain of, and a newer commit that it brings stays the newest", async () => {
    await using w = await world();
    await using paused = await downloadPausedInItsMiddle(w, "tiny-Q4_0.gguf");
    const { jobs, id } = paused;
    const python = { endpoint: w.hub.endpoint, cacheDir: w.cacheDir("shared") };
    const scan = `
import json
from huggingface_hub import scan_cache_dir
print(json.dumps([str(warning) for warning in scan_cache_dir().warnings]))`;
    expect(await runPython(version, scan, python)).toEqual([]);
    w.repository.commit({ ...FILES, "README.md": "# newer\n" });
    await runPython(version, `from huggingface_hub import hf_hub_download; hf_hub_download("${REPO}", "README.md"); print(0)`, python);
    await jobs.resume(id);
    await jobs.wait(id);
    const ref = join(w.cacheDir("shared"), "models--org--tiny-GGUF", "refs", "main");
    expect(await readFile(ref, "utf8")).toBe(w.repository.head);
    expect(await runPython(version, scan, python)).toEqual([]);
  }, 60_000);
});
