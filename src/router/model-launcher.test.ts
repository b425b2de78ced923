import { expect, test } from "bun:test";
import { createCatalogFixture } from "../catalog/catalog-fixture.ts";
import { resolveSettings } from "../config/index.ts";
import { RouterError } from "../errors.ts";
import { ModelLauncher } from "./model-launcher.ts";
import { PresetCatalog } from "./preset-catalog.ts";

test("a description that fails is empty, and made again the next time; one that is known is kept until it is forgotten", async () => {
  await using fixture = await createCatalogFixture();
  await fixture.addModels({ "a.gguf": {} });
  const catalog = new PresetCatalog(fixture.catalog, undefined);
  const answers = [new Error("EACCES"), new RouterError("BACKEND_NOT_INSTALLED", "none is here")];
  let asked = 0;
  const launcher = new ModelLauncher({
    catalog,
    savedOptionsOf: () => ({}),
    settings: resolveSettings({}, {}),
    chooseBackend: async () => await Promise.reject(answers[asked++]),
  });
  const entry = (await catalog.find("a"))!;
  const optionsOf = async () => [...(await launcher.describe(entry)).options.keys()];
  expect(await optionsOf()).toEqual([]);
  expect(await optionsOf()).toEqual(["model"]);
  expect(await optionsOf()).toEqual(["model"]);
  expect(asked).toBe(2);
  launcher.forget();
  await launcher.describe(entry);
  expect(asked).toBe(3);
});
