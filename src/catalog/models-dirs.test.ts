import { expect, test } from "bun:test";
import { mkdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { createCatalogFixture, ggufBytes } from "./catalog-fixture.ts";

const SIZE = ggufBytes().length;
const u32 = (value: number) => ({ type: "u32", value }) as const;

const idsOf = (entries: readonly { id: string; source: string }[]): string[] =>
  entries.filter((entry) => entry.source === "models-dir").map((entry) => entry.id);

test("a models folder lists files by name, sub-folders as one model, and further quantisations with their tag", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addModels({
    "alpha.gguf": {},
    "big-00001-of-00002.gguf": {},
    "big-00002-of-00002.gguf": {},
    "notes.txt": "x",
    "Gemma/gemma-Q4_0.gguf": {},
    "Gemma/gemma-Q8_0.gguf": {},
    "Gemma/mmproj-F16.gguf": {},
    "empty/readme.md": "x",
    "deep/deeper/unseen.gguf": {},
  });
  const entries = await fixture.catalog.list();
  expect(idsOf(entries)).toEqual(["alpha", "big", "Gemma", "Gemma:Q8_0"]);
  expect(entries.find((entry) => entry.id === "big")?.sizeBytes).toBe(2 * SIZE);
  expect(entries.find((entry) => entry.id === "Gemma")).toMatchObject({
    checkpoint: join(fixture.models, "Gemma/gemma-Q4_0.gguf"),
    mmproj: join(fixture.models, "Gemma/mmproj-F16.gguf"),
    labels: ["vision"],
    recipe: "llamacpp",
    isDownloaded: true,
  });
});

test("a model of a folder answers to its file name and its tag too", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addModels({ "alpha.gguf": {}, "big-00001-of-00001.gguf": {}, "Gemma/gemma-Q4_0.gguf": {}, "Gemma/gemma-Q8_0.gguf": {} });
  const id = async (name: string): Promise<string | undefined> => (await fixture.catalog.find(name))?.id;
  expect(await id("alpha.gguf")).toBe("alpha");
  expect(await id("big-00001-of-00001")).toBe("big");
  expect(await id("Gemma:Q4_0")).toBe("Gemma");
  expect(await id("Gemma:gemma-Q8_0.gguf")).toBe("Gemma:Q8_0");
  expect(await id("Gemma:Q2_K")).toBeUndefined();
  expect(await id("gemma")).toBeUndefined();
});

test("a header that pools makes an embedding or a ranking model", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addModels({
    "embed.gguf": { "general.architecture": { type: "string", value: "bert" } },
    "last.gguf": { "llama.pooling_type": u32(3) },
    "rank.gguf": { "llama.pooling_type": u32(4) },
    "damaged.gguf": "<html>",
  });
  const found = (await fixture.catalog.list()).filter((entry) => entry.source === "models-dir");
  const labels = Object.fromEntries(found.map((entry) => [entry.id, entry.labels]));
  expect(labels).toEqual({ damaged: [], embed: ["embeddings"], last: ["embeddings"], rank: ["reranking"] });
});

test("a change in a models folder is seen by the next list", async () => {
  await using fixture = await createCatalogFixture();
  expect(idsOf(await fixture.catalog.list())).toEqual([]);
  await fixture.addModels({ "new.gguf": {}, "sub/first.gguf": {} });
  expect(idsOf(await fixture.catalog.list())).toEqual(["new", "sub"]);
  await fixture.addModels({ "new.gguf": { "x.more": u32(1) } });
  expect((await fixture.catalog.find("new"))?.sizeBytes).toBeGreaterThan(SIZE);
  await rm(join(fixture.models, "new.gguf"));
  await rm(join(fixture.models, "sub"), { recursive: true });
  expect(idsOf(await fixture.catalog.list())).toEqual([]);
  expect(await fixture.catalog.find("new")).toBeUndefined();
});

test("a split model with a shard missing is known but not here", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addModels({ "big-00002-of-00002.gguf": {} });
  expect(idsOf(await fixture.catalog.list())).toEqual([]);
  expect(idsOf(await fixture.catalog.list({ all: true }))).toEqual(["big"]);
  const entry = await fixture.catalog.find("big");
  expect(entry?.isDownloaded).toBe(false);
  expect(entry && (await fixture.catalog.locate(entry))).toBeUndefined();
  await fixture.addModels({ "big-00001-of-00002.gguf": {} });
  const whole = await fixture.catalog.find("big");
  expect(whole && (await fixture.catalog.locate(whole))).toEqual({ model: join(fixture.models, "big-00001-of-00002.gguf") });
});

test("links to files and folders count as what they lead to, dangling ones as nothing", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addModels({ "../elsewhere/real.gguf": {}, "../elsewhere/sub/m.gguf": {} });
  await symlink(join(fixture.root, "elsewhere/real.gguf"), join(fixture.models, "linked.gguf"));
  await symlink(join(fixture.root, "elsewhere/sub"), join(fixture.models, "folder"));
  await symlink(join(fixture.root, "gone.gguf"), join(fixture.models, "gone.gguf"));
  expect(idsOf(await fixture.catalog.list())).toEqual(["linked", "folder"]);
});

test("a missing models folder is an empty one until it appears", async () => {
  await using fixture = await createCatalogFixture();
  await rm(fixture.models, { recursive: true });
  expect(idsOf(await fixture.catalog.list())).toEqual([]);
  await fixture.addModels({ "a.gguf": {} });
  expect(idsOf(await fixture.catalog.list())).toEqual(["a"]);
});

test("of equal names the first folder's is used, and a folder's before the registry's", async () => {
  const registry = { a: { checkpoint: "o/r:Q4_0", recipe: "llamacpp" } };
  await using fixture = await createCatalogFixture({ registry });
  await using both = await createCatalogFixture({ registry, modelsDirs: [join(fixture.root, "first"), fixture.models] });
  await fixture.addModels({ "a.gguf": {}, "b.gguf": {} });
  await mkdir(join(fixture.root, "first"));
  await writeFile(join(fixture.root, "first", "a.gguf"), ggufBytes());
  const entries = (await both.catalog.list({ all: true })).filter((entry) => ["a", "b"].includes(entry.id));
  expect(entries.map((entry) => `${entry.id} ${relative(fixture.root, entry.checkpoint)}`)).toEqual([
    `a ${join("first", "a.gguf")}`,
    `b ${join("models-dir", "b.gguf")}`,
  ]);
  expect((await both.catalog.find("a"))?.source).toBe("models-dir");
});

test("a path names a file by any spelling and any shard", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addModels({ "s/big-00001-of-00002.gguf": {}, "s/big-00002-of-00002.gguf": {} });
  const first = join(fixture.models, "s/big-00001-of-00002.gguf");
  const spellings = [first, join(fixture.models, "s"), `./${relative(process.cwd(), first)}`, first.replace("-00001-", "-00002-")];
  for (const spelling of spellings) {
    const entry = await fixture.catalog.find(spelling);
    expect(entry).toMatchObject({ id: first, source: "path", isDownloaded: true, sizeBytes: 2 * SIZE });
    expect(entry && (await fixture.catalog.locate(entry))).toEqual({ model: first });
  }
});

test("a projector beside a file given by its path is taken along when it is this model's", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addModels({ "gemma-Q4_0.gguf": {}, "other-Q4_0.gguf": {}, "mmproj-gemma-F16.gguf": {} });
  const mmprojOf = async (name: string): Promise<string | undefined> => (await fixture.catalog.find(join(fixture.models, name)))?.mmproj;
  expect(await mmprojOf("gemma-Q4_0.gguf")).toBe(join(fixture.models, "mmproj-gemma-F16.gguf"));
  expect(await mmprojOf("other-Q4_0.gguf")).toBeUndefined();
});

test("a path that is no model is none, and a folder with several suggests them", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addModels({ "a.gguf": {}, "b.gguf": {}, "notes.txt": "x" });
  expect(await fixture.catalog.find(join(fixture.models, "c.gguf"))).toBeUndefined();
  expect(await fixture.catalog.find(join(fixture.models, "notes.txt"))).toBeUndefined();
  expect(await fixture.catalog.find("/etc/passwd")).toBeUndefined();
  expect(await fixture.catalog.find(fixture.models)).toBeUndefined();
  expect(await fixture.catalog.suggest(fixture.models)).toEqual([join(fixture.models, "a.gguf"), join(fixture.models, "b.gguf")]);
});

test("a file that is written over in place has the labels of its new content", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addModels({ "m.gguf": {} });
  const longAgo = new Date("2024-01-01T00:00:01.5Z");
  for (const path of ["m.gguf", "."]) await utimes(join(fixture.models, path), longAgo, longAgo);
  expect((await fixture.catalog.find("m"))?.labels).toEqual([]);
  await fixture.addModels({ "m.gguf": { "llama.pooling_type": u32(1) } });
  expect((await fixture.catalog.find("m"))?.labels).toEqual(["embeddings"]);
});

test("what a chat template can do are labels of a model once its header was read, in lists and alone", async () => {
  await using fixture = await createCatalogFixture();
  const template = { type: "string", value: "{% if tools %}{% endif %}<think>" } as const;
  await fixture.addModels({ "m.gguf": { "tokenizer.chat_template": template } });
  await fixture.addToHub("o/m-GGUF", { "m-Q4_0.gguf": { "tokenizer.chat_template": template } });
  for (const id of ["m", "o/m-GGUF:Q4_0"]) {
    const labels = async () => [(await fixture.catalog.find(id))?.labels, (await fixture.catalog.list()).find((e) => e.id === id)?.labels];
    expect(await labels()).toEqual([[], []]);
    const entry = await fixture.catalog.find(id);
    expect(entry && (await fixture.catalog.locate(entry))).toBeDefined();
    expect(await labels()).toEqual([
      ["reasoning", "tool-calling"],
      ["reasoning", "tool-calling"],
    ]);
  }
});
