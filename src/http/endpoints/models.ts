import * as v from "valibot";
import { renderListedModel } from "../../dialects/llamacpp/index.ts";
import type { CatalogEntry, ModelDetails, Router } from "../../router/index.ts";
import { endpoint, type Endpoint } from "../endpoint.ts";
import { json } from "../json.ts";
import { renderOptions } from "./residency.ts";
import { describeModel } from "./llamacpp-router/index.ts";
import { authorize, requireReachable, shownPath, type Identity } from "../security/index.ts";
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
function renderModel(entry: CatalogEntry, createdSeconds: number, identity: Identity): v.InferOutput<typeof Model> {
  return {
    id: entry.id,
    object: "model",
    created: createdSeconds,
    owned_by: "lemonade",
    name: entry.id,
    checkpoint: shownPath(entry.checkpoint, identity),
    recipe: entry.recipe,
    downloaded: entry.isDownloaded,
    labels: [...entry.labels],
    suggested: entry.suggested,
    ...(entry.sizeBytes === undefined ? {} : { size: Math.round(entry.sizeBytes / 1e7) / 100 }), // Gigabytes, as in Lemonade's registry.
  };
}

function renderDetails(details: ModelDetails, identity: Identity): Record<string, unknown> {
  const { files, facts, contextTokens, memory, totalBytes, freeBytes } = details;
  return {
    files: files.map(({ path, sizeBytes }) => ({ path: shownPath(path, identity), size: sizeBytes })),
    architecture: facts.architecture,
    quantization: facts.quant ?? null,
    parameters: facts.parameterCount,
    context_length: facts.contextTokens ?? null,
    chat_template: facts.hasChatTemplate,
    tool_calls: facts.hasToolTemplate,
    pooling: facts.pooling ?? null,
    memory: {
      ctx_size: contextTokens,
      weights: memory.weightsBytes,
      kv_cache: memory.kvCacheBytes,
      compute: memory.computeBytes,
      total: memory.totalBytes,
      available: totalBytes,
      free: freeBytes,
      fits: memory.totalBytes <= totalBytes,
    },
  };
}

export function modelEndpoints(router: Router, { startedMs }: { startedMs: number }): Endpoint[] {
  const createdSeconds = Math.floor(startedMs / 1000);
  const describe = async (entry: CatalogEntry, identity: Identity): Promise<v.InferOutput<typeof Model>> => ({
    // llama.cpp's clients look here, too.
    ...renderListedModel(await describeModel(router, { entry, identity }), createdSeconds),
    ...renderModel(entry, createdSeconds, identity),
    recipe_options: renderOptions(router.savedOptionsOf(entry), identity),
  });
  return [
    endpoint({
      method: "GET",
      paths: below("models"),
      scope: "infer",
      tag: "Models",
      summary: "List the models that are here, or with `show_all=true` the whole catalogue",
      query: v.looseObject({ show_all: v.optional(v.string()), reload: v.optional(v.string()) }),
      answers: { 200: { description: "The models", schema: v.object({ object: v.literal("list"), data: v.array(Model) }) } },
      errors: ["CONFIG_INVALID"], // The preset file may have a mistake by now.
      async handle({ query, identity }) {
        if (query.reload) {
          authorize(identity, "manage");
          await router.reload();
        }
        const isAll = query.show_all === "true";
        // What the preset file names is there for whoever wrote it, also before it is fetched.
        const known = await router.catalog.list({ all: true });
        const entries = known.filter(({ id, isDownloaded }) => isAll || isDownloaded || router.presets.hasSection(id));
        return json({ object: "list", data: await Promise.all(entries.map(async (entry) => await describe(entry, identity))) });
      },
    }),
    endpoint({
      method: "GET",
      paths: below("models/:id{.+}"),
      scope: "infer",
      tag: "Models",
      summary:
        "One model, whose name may hold slashes; with `details=true` what its files say and what it needs with a context of `ctx_size`",
      query: v.looseObject({
        details: v.optional(v.string()),
        ctx_size: v.optional(v.pipe(v.string(), v.regex(/^[1-9]\d{0,9}$/, "must be a number of tokens"))),
      }),
      answers: { 200: { description: "The model", schema: Model } },
      async handle({ params, query, identity }) {
        const { id = "" } = params;
        requireReachable(id, identity);
        const entry = await router.resolve(id);
        const model = await describe(entry, identity);
        if (query.details !== "true") return json(model);
        const contextTokens = query.ctx_size === undefined ? undefined : Number(query.ctx_size);
        return json({ ...model, ...renderDetails(await router.details(entry, { contextTokens }), identity) });
      },
    }),
  ];
}
