import { expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createCatalogFixture, type CatalogFixture } from "../catalog/catalog-fixture.ts";
import { RouterError } from "../errors.ts";
import { readPresetBook } from "./preset-book.ts";
import { rejection } from "../../test/fixtures/rejection.ts";
import { PresetCatalog } from "./preset-catalog.ts";

async function catalogWith(fixture: CatalogFixture, text: string, help = ""): Promise<PresetCatalog> {
  const file = join(fixture.root, "presets.ini");
  await writeFile(file, text.replaceAll("MODELS", fixture.models));
  return new PresetCatalog(fixture.catalog, await readPresetBook(file, { help: async () => help }));
}

const idOf = async (catalog: PresetCatalog, name: string) => (await catalog.find(name))?.id;

test("a section with a file is a model of its own, under its name with the tag in capitals and under its aliases", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addModels({ "a.gguf": {} });
  const catalog = await catalogWith(fixture, "[mine:q4_k_m]\nmodel = MODELS/a.gguf\nalias = zed, alpha\n");
  for (const name of ["mine:Q4_K_M", "mine:q4_k_m", "zed", "alpha"]) expect(await idOf(catalog, name)).toBe("mine:Q4_K_M" as never);
  const entry = await catalog.find("zed");
  expect(await catalog.locate(entry!)).toMatchObject({ model: join(fixture.models, "a.gguf") });
  expect((await catalog.list()).map(({ id }) => String(id))).toEqual(expect.arrayContaining(["a", "mine:Q4_K_M"]));
  expect(catalog.hasSection("mine:Q4_K_M")).toBe(true);
  expect(catalog.hasSection("a")).toBe(false);
});

test("a section with the name of a model that is there extends it, whatever spelling finds it", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addToHub("o/A-GGUF", { "A-Q4_0.gguf": {}, "A-UD-Q4_K_XL.gguf": {} });
  const catalog = await catalogWith(fixture, "[*]\nc = 1024\n[o/A-GGUF:q4_0]\ntemp = 0.5\n[o/A-GGUF:UD-Q4_K_XL]\ntemp = 0.6\n");
  expect(await idOf(catalog, "o/A-GGUF:Q4_0")).toBe("o/A-GGUF:Q4_0" as never);
  expect((await catalog.list()).filter(({ source }) => source === "hub-cache")).toHaveLength(2);
  const optionsOf = (id: string) => Object.fromEntries(catalog.presetOf(id)?.options ?? []);
  expect(optionsOf("o/A-GGUF:Q4_0")).toEqual({ "ctx-size": "1024", temperature: "0.5" });
  expect(optionsOf("o/A-GGUF:UD-Q4_K_XL")).toEqual({ "ctx-size": "1024", temperature: "0.6" });
  expect(optionsOf("any other model")).toEqual({ "ctx-size": "1024" });
});

test("a model whose file is not there is known all the same, and not located", async () => {
  await using fixture = await createCatalogFixture();
  const catalog = await catalogWith(fixture, "[gone]\nmodel = MODELS/none.gguf\n[nothing]\ntemp = 1\n");
  expect((await catalog.list({ all: true })).filter(({ id }) => ["gone", "nothing"].includes(id))).toHaveLength(2);
  expect(await catalog.list()).not.toContainEqual(expect.objectContaining({ id: "gone" }));
  expect(await catalog.locate((await catalog.find("gone"))!)).toBeUndefined();
  await fixture.addModels({ "none.gguf": {} });
  expect((await catalog.find("gone"))?.isDownloaded).toBe(true);
});

test("labels say how a preset wants its model used; a projector can be given and taken away", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addModels({ "a.gguf": {}, "seeing/m.gguf": {}, "seeing/mmproj-m.gguf": {} });
  const sections = ["[e]\nmodel = MODELS/a.gguf\nembeddings = on", "[with]\nmodel = MODELS/a.gguf\nmmproj = MODELS/seeing/mmproj-m.gguf"];
  const catalog = await catalogWith(fixture, `${sections.join("\n")}\n[seeing]\nno-mmproj = true\n`);
  expect((await catalog.find("e"))?.labels).toEqual(["embeddings"]);
  expect((await catalog.find("with"))?.labels).toEqual(["vision"]);
  expect((await catalog.locate((await catalog.find("with"))!))?.mmproj).toBe(join(fixture.models, "seeing", "mmproj-m.gguf"));
  expect((await catalog.find("seeing"))?.labels).toEqual([]);
  expect((await catalog.locate((await catalog.find("seeing"))!))?.mmproj).toBeUndefined();
});

test("unchanged models stay the same objects, so that what is known of them can be kept", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addModels({ "a.gguf": {} });
  const catalog = await catalogWith(fixture, "[mine]\nmodel = MODELS/a.gguf\n");
  const [first, second] = [await catalog.find("mine"), await catalog.find("mine")];
  expect(first).toBe(second);
});

test("misspelt names are corrected to those of presets, too", async () => {
  await using fixture = await createCatalogFixture();
  const catalog = await catalogWith(fixture, "[my-model]\nmodel = MODELS/a.gguf\nalias = assistant\n");
  expect(await catalog.suggest("my-modle")).toContain("my-model");
  expect(await catalog.suggest("asistant")).toContain("assistant");
});

test("a name that two models have is refused", async () => {
  await using fixture = await createCatalogFixture();
  const twice = catalogWith(fixture, "[a]\nalias = x\n[b]\nalias = x\n");
  expect(await rejection(twice)).toHaveProperty("message", expect.stringContaining("the alias 'x' of 'b' is a name of 'a' already"));
  expect(await rejection(catalogWith(fixture, "[a]\nalias = b\n[b]\ntemp = 1\n"))).toBeInstanceOf(RouterError);
});

test("a key that we do not know is taken when the installed llama-server knows it", async () => {
  await using fixture = await createCatalogFixture();
  const help = "--brand-new N                           something new\n";
  const catalog = await catalogWith(fixture, "[m]\nbrand-new = 3\n", help);
  await catalog.find("m");
  expect(catalog.presetOf("m")?.launch.flags).toEqual([["--brand-new", "3"]]);
  expect(await rejection(catalogWith(fixture, "[m]\nbrand-new = 3\n"))).toHaveProperty(
    "message",
    expect.stringContaining("option 'brand-new' not recognized in preset 'm'"),
  );
});

test("a file that is not there is told by its name", async () => {
  expect(await rejection(readPresetBook("/no/such/presets.ini", { help: async () => undefined }))).toHaveProperty(
    "message",
    expect.stringContaining("/no/such/presets.ini"),
  );
});

test("without a preset file it is the catalog below", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addModels({ "a.gguf": {} });
  const catalog = new PresetCatalog(fixture.catalog, undefined);
  expect(await catalog.list()).toEqual(await fixture.catalog.list());
  expect(await idOf(catalog, "a")).toBe("a" as never);
  expect(catalog.presetOf("a")).toBeUndefined();
});
