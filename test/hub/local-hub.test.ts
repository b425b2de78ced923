import { beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { HUGGINGFACE_HUB_VERSIONS, Hub, huggingfaceHubPython, patternBytes, runPython } from "../fixtures/hub/index.ts";

const PATTERN = patternBytes(300_000);
const FILES = {
  "README.md": "# tiny\n",
  "config.json": "{}",
  "empty.txt": "",
  "tiny-Q4_0.gguf": PATTERN,
  "Q8_0/tiny-Q8_0-00001-of-00002.gguf": patternBytes(1000, 2),
  "Q8_0/tiny-Q8_0-00002-of-00002.gguf": patternBytes(1000, 3),
};

async function temporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), "lemonade-hub-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

describe.each(HUGGINGFACE_HUB_VERSIONS)("the local hub, as huggingface_hub %s sees it", (version) => {
  beforeAll(async () => void (await huggingfaceHubPython(version)), 300_000);

  test("one file, a whole snapshot and a paged file list arrive", async () => {
    await using hub = await Hub.start({ treePageSize: 2 });
    await using cache = await temporaryFolder();
    const repository = hub.add("org/tiny-GGUF", { files: FILES });
    const script = `
import json, hashlib, os
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
file = hf_hub_download("org/tiny-GGUF", "tiny-Q4_0.gguf")
folder = snapshot_download("org/tiny-GGUF")
files = sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names)
tree = [[f.path, f.size, f.lfs.sha256 if f.lfs else None] for f in HfApi().list_repo_tree("org/tiny-GGUF", recursive=True) if hasattr(f, "size")]
info = HfApi().model_info("org/tiny-GGUF", files_metadata=True)
print(json.dumps({"sha256": hashlib.sha256(open(file, "rb").read()).hexdigest(), "folder": os.path.basename(folder), "files": files,
                  "tree": tree, "info": [info.sha, len(info.siblings), info.siblings[-1].lfs.sha256 if info.siblings[-1].lfs else None]}))`;
    const result = (await runPython(version, script, { endpoint: hub.endpoint, cacheDir: cache.path })) as Record<string, unknown>;
    const tree = repository.resolve("main")?.tree;
    expect(result["sha256"]).toBe(tree?.get("tiny-Q4_0.gguf")?.content.sha256);
    expect(result["folder"]).toBe(repository.head);
    expect(result["files"]).toEqual(Object.keys(FILES).toSorted());
    expect((result["tree"] as unknown[][]).map(([path, size]) => [path, size])).toEqual(
      Object.keys(FILES)
        .toSorted()
        .map((path) => [path, tree?.get(path)?.content.sizeBytes]),
    );
    expect(result["info"]).toEqual([repository.head, 6, tree?.get("tiny-Q4_0.gguf")?.content.sha256]);
  }, 60_000);

  test("missing, gated, private and renamed repositories raise what the real hub makes it raise", async () => {
    await using hub = await Hub.start({ tokens: ["reader", "stranger"] });
    await using cache = await temporaryFolder();
    hub.add("org/gated", { files: FILES, gated: "manual", readers: ["reader"] });
    hub.add("org/private", { files: FILES, isPrivate: true, readers: ["reader"] });
    hub.rename(hub.add("org/old-name", { files: FILES }), "org/new-name");
    const script = `
import json
from huggingface_hub import hf_hub_download
def get(repo, file="README.md", token=False, revision=None):
    try: return "ok" if hf_hub_download(repo, file, token=token, revision=revision) else None
    except Exception as error: return type(error).__name__
print(json.dumps({
    "no such repository": [get("org/none"), get("org/none", token="reader")],
    "gated": [get("org/gated"), get("org/gated", token="stranger"), get("org/gated", token="reader")],
    "private": [get("org/private"), get("org/private", token="stranger"), get("org/private", "tiny-Q4_0.gguf", token="reader")],
    "renamed": [get("org/old-name"), get("org/old-name", "tiny-Q4_0.gguf")],
    "no such file, no such revision": [get("org/new-name", "nope.txt"), get("org/new-name", revision="nope")],
}))`;
    const result = await runPython(version, script, { endpoint: hub.endpoint, cacheDir: cache.path });
    const entryNotFound = version === "0.33.0" ? "EntryNotFoundError" : "RemoteEntryNotFoundError";
    expect(result).toEqual({
      "no such repository": ["RepositoryNotFoundError", "RepositoryNotFoundError"],
      gated: ["GatedRepoError", "GatedRepoError", "ok"],
      private: ["RepositoryNotFoundError", "RepositoryNotFoundError", "ok"],
      renamed: ["ok", "ok"],
      "no such file, no such revision": [entryNotFound, "RevisionNotFoundError"],
    });
    const toFiles = hub.requestsTo("cdn");
    expect(toFiles.length).toBeGreaterThan(0);
    expect(toFiles.filter((request) => request.headers["authorization"] !== undefined)).toEqual([]);
  }, 60_000);
});

test("a range that no longer matches its validator gets the whole file, an impossible one 416", async () => {
  await using hub = await Hub.start();
  hub.add("org/tiny-GGUF", { files: FILES });
  const head = await fetch(`${hub.endpoint}/org/tiny-GGUF/resolve/main/tiny-Q4_0.gguf`, { method: "HEAD", redirect: "manual" });
  expect([head.status, head.headers.get("x-linked-size")]).toEqual([302, "300000"]);
  const url = head.headers.get("location") ?? "";
  const get = (headers: Record<string, string>): Promise<Response> => fetch(url, { headers });
  const part = await get({ range: "bytes=10-19" });
  expect([part.status, part.headers.get("content-range")]).toEqual([206, "bytes 10-19/300000"]);
  expect(new Uint8Array(await part.arrayBuffer())).toEqual(PATTERN.slice(10, 20));
  expect((await get({ range: "bytes=10-19", "if-range": part.headers.get("etag") ?? "" })).status).toBe(206);
  expect((await get({ range: "bytes=10-19", "if-range": '"other"' })).status).toBe(200);
  expect((await get({ range: "bytes=300000-" })).status).toBe(416);
  expect((await fetch(url.replace(/Signature=./, "Signature=_"))).status).toBe(403);
});

test("faults strike as often as asked, on the requests asked for", async () => {
  await using hub = await Hub.start();
  hub.add("org/tiny-GGUF", { files: FILES });
  const url = `${hub.endpoint}/org/tiny-GGUF/resolve/main/tiny-Q4_0.gguf`;
  const bytes = async (): Promise<Uint8Array> => new Uint8Array(await (await fetch(url)).arrayBuffer());
  hub.faults.add({ kind: "status", status: 429, headers: { "retry-after": "1" }, times: 1 });
  expect((await fetch(url)).status).toBe(429);
  expect(await bytes()).toEqual(PATTERN);
  hub.faults.add({ kind: "cut", afterBytes: 1000, times: 1, skip: 1 });
  expect(await bytes()).toEqual(PATTERN);
  expect(await bytes().catch((error: unknown) => error)).toBeInstanceOf(Error);
  hub.faults.add({ kind: "truncate", bytes: 1000, times: 1 });
  expect((await bytes()).length).toBe(1000);
  hub.faults.add({ kind: "corrupt", atByte: 299_999, times: 1 });
  expect(await bytes()).not.toEqual(PATTERN);
  expect(await bytes()).toEqual(PATTERN);
});

test("a search finds repositories by words and tags, private ones for their readers only", async () => {
  await using hub = await Hub.start({ tokens: ["reader"] });
  hub.add("org/tiny-GGUF", { files: FILES, downloads: 5 });
  hub.add("org/tiny-other-GGUF", { files: FILES, downloads: 9 });
  hub.add("org/tiny-safetensors", { files: { "model.safetensors": "x" } });
  hub.add("org/tiny-secret-GGUF", { files: FILES, isPrivate: true, readers: ["reader"] });
  const search = async (query: string, token?: string): Promise<string[]> => {
    const response = await fetch(`${hub.endpoint}/api/models?${query}`, token ? { headers: { authorization: `Bearer ${token}` } } : {});
    return ((await response.json()) as { id: string }[]).map(({ id }) => id);
  };
  expect(await search("search=TINY&filter=gguf&sort=downloads")).toEqual(["org/tiny-other-GGUF", "org/tiny-GGUF"]);
  expect(await search("search=tiny secret", "reader")).toEqual(["org/tiny-secret-GGUF"]);
  expect(await search("search=tiny&limit=1")).toHaveLength(1);
});

test("by hand it serves a folder, with the faults that its command line names", async () => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, "me", "tiny-GGUF"), { recursive: true });
  await writeFile(join(folder.path, "me", "tiny-GGUF", "m-Q4_0.gguf"), "abcdef");
  await writeFile(join(folder.path, "other"), "ghijkl");
  const faults = ["status:429", "truncate:2", "corrupt:0", `replace:${join(folder.path, "other")}`, "slow:1000000"];
  const words = [join(import.meta.dir, "../fixtures/hub/main.ts"), "--dir", folder.path, "--times", "1"];
  const child = spawn(process.execPath, [...words, ...faults.flatMap((fault) => ["--fault", fault])], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    let endpoint: string | undefined;
    for await (const line of createInterface(child.stdout)) if ((endpoint = /^HF_ENDPOINT=(.+)$/.exec(line)?.[1])) break;
    const get = async () => await fetch(`${endpoint}/me/tiny-GGUF/resolve/main/m-Q4_0.gguf`);
    const limited = await get();
    expect([limited.status, limited.headers.get("retry-after")]).toEqual([429, "1"]);
    // The others strike at once.
    expect((await (await get()).text()).slice(1)).toBe("h");
    expect(await (await get()).text()).toBe("abcdef");
  } finally {
    const ended = once(child, "exit");
    child.kill();
    await ended;
  }
});
