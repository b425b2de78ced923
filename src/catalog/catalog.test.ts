import { expect, test } from "bun:test";
import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { createCatalog, type Catalog } from "./index.ts";

interface Fixture extends AsyncDisposable {
  readonly catalog: Catalog;
  readonly root: string;
  readonly models: string;
  /** Writes files below the models folder; a number is a size, a text is content. */
  add(files: Readonly<Record<string, number | string>>): Promise<void>;
}

async function createFixture(): Promise<Fixture> {
  const root = await realpath(await mkdtemp(join(tmpdir(), "lemon-catalog-")));
  const models = join(root, "models-dir");
  await mkdir(models);
  const catalog = createCatalog({ cacheDir: join(root, "cache"), hubCacheDir: join(root, "hub"), modelsDirs: [models] });
  return {
    catalog,
    root,
    models,
    async add(files) {
      for (const [name, content] of Object.entries(files)) {
        const path = join(models, name);
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, typeof content === "number" ? new Uint8Array(content) : content);
      }
    },
    async [Symbol.asyncDispose]() {
      await catalog[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}

const idsOf = (entries: readonly { id: string; source: string }[]): string[] =>
  entries.filter((entry) => entry.source === "models-dir").map((entry) => entry.id);

test("a models folder lists files by name, sub-folders as one model, and further quantisations with their tag", async () => {
  await using fixture = await createFixture();
  await fixture.add({
    "alpha.gguf": 1,
    "big-00001-of-00002.gguf": 3,
    "big-00002-of-00002.gguf": 4,
    "notes.txt": "x",
    "Gemma/gemma-Q4_0.gguf": 5,
    "Gemma/gemma-Q8_0.gguf": 6,
    "Gemma/mmproj-F16.gguf": 7,
    "empty/readme.md": "x",
    "deep/deeper/unseen.gguf": 1,
  });
  const entries = await fixture.catalog.list();
  expect(idsOf(entries)).toEqual(["alpha", "big", "Gemma", "Gemma:Q8_0"]);
  expect(entries.find((entry) => entry.id === "big")?.sizeBytes).toBe(7);
  expect(entries.find((entry) => entry.id === "Gemma")).toMatchObject({
    checkpoint: join(fixture.models, "Gemma/gemma-Q4_0.gguf"),
    mmproj: join(fixture.models, "Gemma/mmproj-F16.gguf"),
    labels: ["vision"],
    recipe: "llamacpp",
    isDownloaded: true,
  });
});

test("a model of a folder answers to its file name and its tag too", async () => {
  await using fixture = await createFixture();
  await fixture.add({ "alpha.gguf": 1, "big-00001-of-00001.gguf": 1, "Gemma/gemma-Q4_0.gguf": 5, "Gemma/gemma-Q8_0.gguf": 6 });
  const id = async (name: string): Promise<string | undefined> => (await fixture.catalog.find(name))?.id;
  expect(await id("alpha.gguf")).toBe("alpha");
  expect(await id("big-00001-of-00001")).toBe("big");
  expect(await id("Gemma:Q4_0")).toBe("Gemma");
  expect(await id("Gemma:gemma-Q8_0.gguf")).toBe("Gemma:Q8_0");
  expect(await id("Gemma:Q2_K")).toBeUndefined();
  expect(await id("gemma")).toBeUndefined();
});

test("a change in a models folder is seen by the next list", async () => {
  await using fixture = await createFixture();
  expect(idsOf(await fixture.catalog.list())).toEqual([]);
  await fixture.add({ "new.gguf": 1, "sub/first.gguf": 1 });
  expect(idsOf(await fixture.catalog.list())).toEqual(["new", "sub"]);
  await fixture.add({ "new.gguf": 50 });
  expect((await fixture.catalog.find("new"))?.sizeBytes).toBe(50);
  await rm(join(fixture.models, "new.gguf"));
  await rm(join(fixture.models, "sub"), { recursive: true });
  expect(idsOf(await fixture.catalog.list())).toEqual([]);
  expect(await fixture.catalog.find("new")).toBeUndefined();
});

test("a split model with a shard missing is known but not here", async () => {
  await using fixture = await createFixture();
  await fixture.add({ "big-00002-of-00002.gguf": 4 });
  expect(idsOf(await fixture.catalog.list())).toEqual([]);
  const entry = await fixture.catalog.find("big");
  expect(entry?.isDownloaded).toBe(false);
  expect(entry && (await fixture.catalog.locate(entry))).toBeUndefined();
  await fixture.add({ "big-00001-of-00002.gguf": 4 });
  const whole = await fixture.catalog.find("big");
  expect(whole && (await fixture.catalog.locate(whole))).toEqual({ model: join(fixture.models, "big-00001-of-00002.gguf") });
});

test("links to files and folders count as what they lead to, dangling ones as nothing", async () => {
  await using fixture = await createFixture();
  await fixture.add({ "../elsewhere/real.gguf": 9, "../elsewhere/sub/m.gguf": 9 });
  await symlink(join(fixture.root, "elsewhere/real.gguf"), join(fixture.models, "linked.gguf"));
  await symlink(join(fixture.root, "elsewhere/sub"), join(fixture.models, "folder"));
  await symlink(join(fixture.root, "gone.gguf"), join(fixture.models, "gone.gguf"));
  expect(idsOf(await fixture.catalog.list())).toEqual(["linked", "folder"]);
});

test("a missing models folder is an empty one", async () => {
  await using fixture = await createFixture();
  await rm(fixture.models, { recursive: true });
  expect(idsOf(await fixture.catalog.list())).toEqual([]);
});

test("a path names a file by any spelling and any shard", async () => {
  await using fixture = await createFixture();
  await fixture.add({ "s/big-00001-of-00002.gguf": 1, "s/big-00002-of-00002.gguf": 1 });
  const first = join(fixture.models, "s/big-00001-of-00002.gguf");
  const spellings = [first, join(fixture.models, "s"), `./${relative(process.cwd(), first)}`, first.replace("-00001-", "-00002-")];
  for (const spelling of spellings) {
    const entry = await fixture.catalog.find(spelling);
    expect(entry).toMatchObject({ id: first, source: "path", isDownloaded: true, sizeBytes: 2 });
    expect(entry && (await fixture.catalog.locate(entry))).toEqual({ model: first });
  }
});

test("a path that is no model is none, and a folder with several suggests them", async () => {
  await using fixture = await createFixture();
  await fixture.add({ "a.gguf": 1, "b.gguf": 1, "notes.txt": "x" });
  expect(await fixture.catalog.find(join(fixture.models, "c.gguf"))).toBeUndefined();
  expect(await fixture.catalog.find(join(fixture.models, "notes.txt"))).toBeUndefined();
  expect(await fixture.catalog.find("/etc/passwd")).toBeUndefined();
  expect(await fixture.catalog.find(fixture.models)).toBeUndefined();
  expect(await fixture.catalog.suggest(fixture.models)).toEqual([join(fixture.models, "a.gguf"), join(fixture.models, "b.gguf")]);
});

test("a raw checkpoint is a model that can exist, whatever way it is written", async () => {
  await using fixture = await createFixture();
  expect(await fixture.catalog.find("hf.co/unsloth/Qwen3-0.6B-GGUF:Q4_0")).toMatchObject({
    id: "unsloth/Qwen3-0.6B-GGUF:Q4_0",
    checkpoint: "unsloth/Qwen3-0.6B-GGUF:Q4_0",
    recipe: "llamacpp",
    isDownloaded: false,
  });
  expect(await fixture.catalog.find("no-such-model")).toBeUndefined();
});

test("a mistyped name gets suggestions", async () => {
  await using fixture = await createFixture();
  await fixture.add({ "My-Model.gguf": 1 });
  expect(await fixture.catalog.suggest("my-modle")).toContain("My-Model");
  expect(await fixture.catalog.suggest("tniy")).toContain("tiny");
});

test("the built-in models are made on first use, once, and the hidden one is found but not listed", async () => {
  await using fixture = await createFixture();
  expect((await fixture.catalog.list()).map((entry) => String(entry.id))).toEqual(["tiny"]);
  for (const name of ["tiny", "tiny-embedding"]) {
    const entry = await fixture.catalog.find(name);
    expect(entry?.isDownloaded).toBe(true);
    if (!entry) continue;
    const [files, again] = await Promise.all([fixture.catalog.locate(entry), fixture.catalog.locate(entry)]);
    expect(files).toEqual({ model: join(fixture.root, "cache/models", `${name}.gguf`) });
    expect(again).toEqual(files);
    expect((await readFile(files?.model ?? "")).subarray(0, 4).toString()).toBe("GGUF");
  }
});
