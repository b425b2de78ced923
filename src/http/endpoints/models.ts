import type { Hono } from "hono";
import type { CatalogEntry, Router } from "../../router/index.ts";

/** A model as OpenAI clients and Lemonade's own read it. */
function renderModel(entry: CatalogEntry, createdSeconds: number): Record<string, unknown> {
  return {
    id: entry.id,
    object: "model",
    created: createdSeconds,
    owned_by: "lemonade",
    name: entry.id,
    checkpoint: entry.checkpoint,
    recipe: entry.recipe,
    downloaded: entry.isDownloaded,
    labels: entry.labels,
    suggested: entry.suggested,
    ...(entry.sizeBytes === undefined ? {} : { size: Math.round(entry.sizeBytes / 1e7) / 100 }),
  };
}

/** Adds `models` and `models/{id}` below each prefix; an id may hold slashes. */
export function addModels(app: Hono, options: { router: Router; prefixes: readonly string[]; startedMs: number }): void {
  const { router, prefixes } = options;
  const createdSeconds = Math.floor(options.startedMs / 1000);
  for (const prefix of prefixes) {
    app.get(`${prefix}/models`, async (c) => {
      const entries = await router.catalog.list({ all: c.req.query("show_all") === "true" });
      return c.json({ object: "list", data: entries.map((entry) => renderModel(entry, createdSeconds)) });
    });
    app.get(`${prefix}/models/:id{.+}`, async (c) => c.json(renderModel(await router.resolve(c.req.param("id")), createdSeconds)));
  }
}
