import { expect, test } from "bun:test";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { RouterError } from "../errors.ts";
import type { ModelEntry } from "../model/index.ts";
import type { Catalog, ListOptions } from "./index.ts";
import { createCatalogFixture, ggufBytes, type CatalogFixture } from "./catalog-fixture.ts";

const REGISTRY = {
  "Qwen-GGUF": { checkpoint: "o/Qwen-GGUF:Q4_0", recipe: "llamacpp", suggested: true, labels: ["reasoning"], size: 0.38 },
  "Vision-GGUF": { checkpoint: "o/Vision-GGUF:Q4_K_M", recipe: "llamacpp", suggested: true, labels: ["vision"], mmproj: "mmproj-F16.gguf" },
  "Llama-FLM": { checkpoint: "llama3.2:1b", recipe: "flm", suggested: true },
  "Qwen-CPU": { checkpoint: "amd/Qwen-onnx", recipe: "oga-cpu" },
  "Elsewhere-GGUF": { checkpoint: "o/Elsewhere:Q4_0", recipe: "llamacpp", source: "modelscope" },
  Broken: { recipe: 5 },
};

const ids = (entries: readonly { id: string }[]): string[] => entries.map((entry) => entry.id);

async function known(catalog: Catalog, id: string): Promise<ModelEntry> {
  const entry = await catalog.find(id);
  if (!entry) throw new Error(`no ${id}`);
  return entry;
}

test("the built-in registry holds Lemonade's models", async () => {
  await using fixture = await createCatalogFixture({ registryFile: undefined });
  expect(await fixture.catalog.find("Qwen3-0.6B-GGUF")).toMatchObject({
    checkpoint: "unsloth/Qwen3-0.6B-GGUF:Q4_0",
    recipe: "llamacpp",
    labels: ["reasoning"],
    source: "registry",
    suggested: true,
    isDownloaded: false,
    isRunnable: true,
  });
  expect(await fixture.catalog.find("Llama-3.2-1B-Instruct-CPU")).toMatchObject({ recipe: "oga-cpu", isRunnable: false });
  expect((await fixture.catalog.list({ all: true, unsupported: true })).length).toBeGreaterThan(150);
});

test("a registry is read from a file too, and one bad entry leaves the others", async () => {
  await using fixture = await createCatalogFixture({ registry: REGISTRY });
  expect(await fixture.catalog.find("Qwen-GGUF")).toMatchObject({ sizeBytes: 380_000_000, labels: ["reasoning"] });
  expect(await fixture.catalog.find("Broken")).toBeUndefined();
  await using other = await createCatalogFixture({ registryFile: join(fixture.root, "absent.json") });
  const refusal: unknown = await other.catalog.find("Qwen-GGUF").catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: "CONFIG_INVALID" });
});

test("lists leave out what is not here or cannot run; looking up does not", async () => {
  await using fixture = await createCatalogFixture({ registry: REGISTRY });
  expect(ids(await fixture.catalog.list())).toEqual(["tiny"]);
  const registered = async (options: ListOptions): Promise<string[]> =>
    ids((await fixture.catalog.list(options)).filter((entry) => entry.source === "registry"));
  expect(await registered({ all: true })).toEqual(["Qwen-GGUF", "Vision-GGUF"]);
  const everything = ["Qwen-GGUF", "Vision-GGUF", "Llama-FLM", "Qwen-CPU", "Elsewhere-GGUF"];
  expect(await registered({ all: true, unsupported: true })).toEqual(everything);
  expect(await fixture.catalog.find("Qwen-CPU")).toMatchObject({ isRunnable: false, isDownloaded: false });
});

test("with an NPU FLM models are offered, and FLM says which are here", async () => {
  await using fixture = await createCatalogFixture({
    registry: REGISTRY,
    platform: async () => ({ os: "win32", hasNpu: true }),
    installedFlmTags: async () => new Set(["llama3.2:1b"]),
  });
  expect(ids(await fixture.catalog.list())).toEqual(["tiny", "Llama-FLM"]);
  expect(await fixture.catalog.find("llama3.2:1b")).toMatchObject({ id: "Llama-FLM", isDownloaded: true });
  expect(await fixture.catalog.find("llama3.2:3b")).toBeUndefined();
});

test("of two variants only the one whose files are here counts as downloaded", async () => {
  await using fixture = await createCatalogFixture({ registry: REGISTRY });
  await fixture.addToHub("o/Qwen-GGUF", { "Qwen-Q8_0.gguf": {}, "README.md": "x" });
  expect((await known(fixture.catalog, "Qwen-GGUF")) as unknown).toMatchObject({ isDownloaded: false });
  await fixture.addToHub("o/Qwen-GGUF", { "Qwen-Q4_0.gguf": {} });
  const entry = await known(fixture.catalog, "Qwen-GGUF");
  expect(entry as unknown).toMatchObject({ isDownloaded: true });
  expect((await fixture.catalog.locate(entry))?.model).toEndWith("/Qwen-Q4_0.gguf");
  // The other file of the repository is a model of its own; the registered one is listed once.
  expect(ids(await fixture.catalog.list())).toEqual(["tiny", "Qwen-GGUF", "o/Qwen-GGUF:Q8_0"]);
});

test("a vision model is here once its projector is", async () => {
  await using fixture = await createCatalogFixture({ registry: REGISTRY });
  await fixture.addToHub("o/Vision-GGUF", { "V-Q4_K_M.gguf": {} });
  expect(await fixture.catalog.locate(await known(fixture.catalog, "Vision-GGUF"))).toBeUndefined();
  await fixture.addToHub("o/Vision-GGUF", { "mmproj-F16.gguf": {} });
  const files = await fixture.catalog.locate(await known(fixture.catalog, "Vision-GGUF"));
  expect(files?.mmproj).toEndWith("/mmproj-F16.gguf");
});

test("a raw checkpoint is one model, whatever way it is written", async () => {
  await using fixture = await createCatalogFixture({ registry: REGISTRY });
  const id = async (name: string): Promise<string | undefined> => (await fixture.catalog.find(name))?.id;
  expect(await id("hf.co/o/Other-GGUF:q4_0")).toBe("o/Other-GGUF:q4_0");
  expect(await id("https://huggingface.co/o/Qwen-GGUF:Q4_0")).toBe("Qwen-GGUF");
  await fixture.addToHub("o/Other-GGUF", { "Other-Q4_0.gguf": {}, "sub/Other-Q8_0-00001-of-00001.gguf": {} });
  for (const spelling of ["o/Other-GGUF:q4_0", "o/Other-GGUF:Other-Q4_0.gguf", "o/Other-GGUF"]) {
    expect(await id(spelling)).toBe("o/Other-GGUF:Q4_0");
  }
  const entry = await known(fixture.catalog, "o/Other-GGUF:Q8_0");
  expect(await fixture.catalog.locate(entry)).toMatchObject({ mmproj: undefined });
  expect(await id("no-such-model")).toBeUndefined();
  expect(await id("a/b/c")).toBeUndefined();
});

test("user models are listed and found with their prefix, old entries and uploaded files included", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.writeUserModels({
    Mine: { checkpoint: "o/Mine-GGUF:Q4_0", recipe: "llamacpp", reasoning: false, future: { field: 1 } },
    Uploaded: { checkpoint: "models--Uploaded\\m.gguf", recipe: "llamacpp", labels: ["custom"], source: "local_upload" },
    Outside: { checkpoint: "models--x/../../../etc/m.gguf", recipe: "llamacpp" },
    Bad: { recipe: "llamacpp" },
  });
  await fixture.addModels({ "../hub/models--Uploaded/m.gguf": {} });
  expect(await fixture.catalog.find("user.Mine")).toMatchObject({
    source: "user",
    labels: ["reasoning"],
    suggested: true,
    isDownloaded: false,
  });
  const uploaded = await known(fixture.catalog, "user.Uploaded");
  expect(await fixture.catalog.locate(uploaded)).toEqual({ model: join(fixture.hub, "models--Uploaded/m.gguf") });
  expect(await fixture.catalog.find("user.Outside")).toMatchObject({ isDownloaded: false });
  expect(await fixture.catalog.find("Mine")).toBeUndefined();
  expect(ids(await fixture.catalog.list({ all: true }))).toContain("user.Mine");
  expect(ids(await fixture.catalog.list())).toContain("user.Uploaded");
});

test("a file that is no model is refused with what it is, before an engine tries", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addModels({ "page.gguf": "<!doctype html><title>Sign in</title>", "cut.gguf": ggufBytes().subarray(0, 100) });
  const refusal = async (name: string): Promise<unknown> =>
    await fixture.catalog.locate(await known(fixture.catalog, name)).catch((error: unknown) => error);
  expect(await refusal("page")).toBeInstanceOf(RouterError);
  expect(await refusal("page")).toMatchObject({ code: "NOT_A_GGUF", message: expect.stringContaining('an HTML page ("Sign in")') });
  expect(await refusal("cut")).toMatchObject({ code: "NOT_A_GGUF", message: expect.stringContaining("cut off") });
});

test("inspecting a model tells its files and the facts in their headers", async () => {
  await using fixture = await createCatalogFixture();
  const context = { "llama.context_length": { type: "u32", value: 4096 } } as const;
  await fixture.addModels({
    "m-00001-of-00002.gguf": { ...context, "split.count": { type: "u32", value: 2 } },
    "m-00002-of-00002.gguf": {},
  });
  const inspection = await fixture.catalog.inspect(await known(fixture.catalog, "m"));
  expect(inspection?.files.map((file) => file.path)).toEqual([1, 2].map((n) => join(fixture.models, `m-0000${n}-of-00002.gguf`)));
  expect(inspection?.facts).toMatchObject({ architecture: "llama", contextTokens: 4096, shardCount: 2, parameterCount: 128 });
});

test("a file that vanished between list and load is not here", async () => {
  await using fixture = await createCatalogFixture({ registry: REGISTRY });
  await fixture.addToHub("o/Qwen-GGUF", { "Qwen-Q4_0.gguf": {} });
  const entry = await known(fixture.catalog, "Qwen-GGUF");
  await rm(join(fixture.hub, "models--o--Qwen-GGUF", "blobs"), { recursive: true });
  expect(await fixture.catalog.locate(entry)).toBeUndefined();
});

test("a mistyped name gets suggestions", async () => {
  await using fixture = await createCatalogFixture({ registry: REGISTRY });
  await fixture.addModels({ "My-Model.gguf": {} });
  expect(await fixture.catalog.suggest("my-modle")).toContain("My-Model");
  expect(await fixture.catalog.suggest("tniy")).toContain("tiny");
  expect(await fixture.catalog.suggest("qwen-gguf")).toContain("Qwen-GGUF");
});

test("the built-in models are made on first use, and all but the first are found without being listed", async () => {
  await using fixture = await createCatalogFixture();
  expect(ids(await fixture.catalog.list({ all: true }))).toEqual(["tiny"]);
  const variants = {
    tiny: [],
    "tiny-endless": [],
    "tiny-reasoning": ["reasoning"],
    "tiny-embedding": ["embeddings"],
    "tiny-reranking": ["reranking"],
  };
  for (const [name, labels] of Object.entries(variants)) {
    const entry = await known(fixture.catalog, name);
    expect(entry.labels).toEqual(labels);
    const [files, again] = await Promise.all([fixture.catalog.locate(entry), fixture.catalog.locate(entry)]);
    expect(files).toEqual({ model: join(fixture.cacheDir, "models", `${name}.gguf`) });
    expect(again).toEqual(files);
    expect((await fixture.catalog.inspect(entry))?.facts.name).toBe(name);
  }
});

test("a built-in model is written again when another version of the program left a different one", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addModels({ "../cache/models/tiny.gguf": "an older one" });
  const entry = await known(fixture.catalog, "tiny");
  expect((await fixture.catalog.inspect(entry))?.facts.name).toBe("tiny");
  expect(await readdir(join(fixture.cacheDir, "models"))).toEqual(["tiny.gguf"]);
});

async function pulled(fixture: CatalogFixture): Promise<ModelEntry> {
  const plan = await fixture.catalog.planPull({ model: "user.New", checkpoint: "o/New-GGUF:Q4_0", recipe: "llamacpp", vision: true });
  expect(plan.isNew).toBe(true);
  return plan.entry;
}

test("a registered model is there at once, keeps what others wrote, and goes again", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.writeUserModels({ Other: { checkpoint: "o/x:Q4_0", recipe: "llamacpp", theirs: [1] } });
  const entry = await fixture.catalog.register(await pulled(fixture));
  expect(entry).toMatchObject({ id: "user.New", labels: ["custom", "vision"], source: "user", isDownloaded: false });
  expect(await fixture.catalog.find("user.New")).toEqual(entry);
  const onDisk = async (): Promise<unknown> => JSON.parse(await readFile(join(fixture.cacheDir, "user_models.json"), "utf8"));
  expect(await onDisk()).toEqual({
    Other: { checkpoint: "o/x:Q4_0", recipe: "llamacpp", theirs: [1] },
    New: { checkpoint: "o/New-GGUF:Q4_0", recipe: "llamacpp", suggested: true, labels: ["custom", "vision"] },
  });
  expect(await fixture.catalog.planPull({ model: "user.New" })).toMatchObject({ isNew: false });
  expect(await fixture.catalog.unregister("user.New")).toBe(true);
  expect(await fixture.catalog.unregister("user.New")).toBe(false);
  expect(await fixture.catalog.find("user.New")).toBeUndefined();
  expect(Object.keys((await onDisk()) as object)).toEqual(["Other"]);
});
