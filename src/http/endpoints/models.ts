import * as v from "valibot";
import type { CatalogEntry, Router } from "../../router/index.ts";
import { endpoint, type Endpoint } from "../endpoint.ts";
import { json } from "../json.ts";
import { requireReachable } from "../security/index.ts";
import { below } from "../schemas.ts";

const Model = v.looseObject({
  id: v.string(),
  object: v.literal("model"),
  created: v.number(),
  owned_by: v.string(),
  checkpoint: v.string(),
  recipe: v.string(),
  downloaded: v.boolean(),
  labels: v.array(v.string()),
});

/** A model as OpenAI clients and Lemonade's own read it. */
export function renderModel(entry: CatalogEntry, createdSeconds: number): v.InferOutput<typeof Model> {
  return {
    id: entry.id,
    object: "model",
    created: createdSeconds,
    owned_by: "lemonade",
    name: entry.id,
    checkpoint: entry.checkpoint,
    recipe: entry.recipe,
    downloaded: entry.isDownloaded,
    labels: [...entry.labels],
    suggested: entry.suggested,
    ...(entry.sizeBytes === undefined ? {} : { size: Math.round(entry.sizeBytes / 1e7) / 100 }), // Gigabytes, as in Lemonade's registry.
  };
}

export function modelEndpoints(router: Router, { startedMs }: { startedMs: number }): Endpoint[] {
  const createdSeconds = Math.floor(startedMs / 1000);
  return [
    endpoint({
      method: "GET",
      paths: below("models"),
      scope: "infer",
      tag: "Models",
      summary: "List the models that are here, or with `show_all=true` the whole catalogue",
      query: v.looseObject({ show_all: v.optional(v.string()) }),
      answers: { 200: { description: "The models", schema: v.object({ object: v.literal("list"), data: v.array(Model) }) } },
      async handle({ query }) {
        const entries = await router.catalog.list({ all: query.show_all === "true" });
        return json({ object: "list", data: entries.map((entry) => renderModel(entry, createdSeconds)) });
      },
    }),
    endpoint({
      method: "GET",
      paths: below("models/:id{.+}"),
      scope: "infer",
      tag: "Models",
      summary: "One model; its name may hold slashes",
      answers: { 200: { description: "The model", schema: Model } },
      async handle({ params, identity }) {
        const { id = "" } = params;
        requireReachable(id, identity);
        return json(renderModel(await router.resolve(id), createdSeconds));
      },
    }),
  ];
}
