import { expect, test } from "bun:test";
import { runInNewContext } from "node:vm";
import type { CatalogEntry } from "../router/index.ts";
import { fillPage } from "./page-template.ts";

const entry = (id: string, fields: Partial<CatalogEntry> = {}): CatalogEntry => ({
  id: id as CatalogEntry["id"],
  checkpoint: "o/r:Q4_0",
  recipe: "llamacpp",
  labels: [],
  source: "registry",
  suggested: true,
  isDownloaded: false,
  isRunnable: true,
  ...fields,
});

/** What the page's scripts would find, by running them. */
function run(page: string): Record<string, unknown> {
  const window: Record<string, unknown> = {};
  for (const [, script = ""] of page.matchAll(/<script>(.*?)<\/script>/gs)) runInNewContext(script, { window });
  return window;
}

test("every marker is replaced wherever it stands, and anything else stays", () => {
  const template =
    "{{PLATFORM_JS}}{{SERVER_MODELS_JS}}<script>window.SERVER_PORT = {{SERVER_PORT}};</script>{{SERVER_PORT}} {{OTHER}} $& $1";
  const page = fillPage(template, { port: 8080, models: [entry("A"), entry("user.B")], platform: "linux" });
  expect(page).toEndWith("8080 {{OTHER}} $& $1");
  expect(run(page)).toMatchObject({ SERVER_PORT: 8080, PLATFORM: "Linux" });
  expect(Object.keys(run(page)["SERVER_MODELS"] as object)).toEqual(["A", "user.B"]);
});

test("a model is described as in Lemonade's registry", () => {
  const models = [
    entry("Vision", { labels: ["vision", "reasoning", "hot"], sizeBytes: 2_500_000_000, mmproj: "mmproj-F16.gguf" }),
    entry("Plain", { suggested: false }),
  ];
  expect(run(fillPage("{{SERVER_MODELS_JS}}", { port: 1, models, platform: "win32" }))["SERVER_MODELS"]).toEqual({
    Vision: {
      model_name: "Vision",
      checkpoint: "o/r:Q4_0",
      recipe: "llamacpp",
      labels: ["vision", "reasoning", "hot"],
      suggested: true,
      size: 2.5,
      mmproj: "mmproj-F16.gguf",
      reasoning: true,
      vision: true,
    },
    Plain: { model_name: "Plain", checkpoint: "o/r:Q4_0", recipe: "llamacpp", labels: [], suggested: false },
  });
});

test("no text of a model ends the script or means something to the replacement", () => {
  const text = "</script><script>alert(1)</script> $& $` <!-- \u2028\u2029 {{SERVER_PORT}}";
  const page = fillPage("{{SERVER_MODELS_JS}}", { port: 1, models: [entry("A", { checkpoint: text })], platform: "darwin" });
  expect(page.match(/<\/script/g)).toHaveLength(1);
  expect(page).not.toMatch(/[\u2028\u2029]|<!--/);
  expect(run(page)["SERVER_MODELS"]).toMatchObject({ A: { checkpoint: text } });
});
