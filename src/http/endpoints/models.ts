import * as v from "valibot";
import { renderListedModel } from "../../dialects/llamacpp/index.ts";
import type { CatalogEntry, GpuFacts, ModelDetails, Router } from "../../router/index.ts";
import { endpoint, type Endpoint } from "../endpoint.ts";
import { json, jsonText } from "../json.ts";
import { pathOf } from "../request-url.ts";
import { renderOptions } from "./residency.ts";
import { describeModel, isListed } from "./llamacpp-router/index.ts";
import { ModelRows } from "./model-rows.ts";
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

function renderDetails(
  details: ModelDetails,
  { gpus, identity }: { gpus: readonly GpuFacts[]; identity: Identity },
): Record<string, unknown> {
  const { files, facts } = details;
  return {
    files: files.map(({ path, sizeBytes }) => ({ path: shownPath(path, identity), size: sizeBytes })),
    architecture: facts?.architecture ?? null,
    quantization: facts?.quant ?? null,
    parameters: facts?.parameterCount ?? null,
    context_length: facts?.contextTokens ?? null,
    chat_template: facts?.hasChatTemplate ?? null,
    tool_calls: facts?.hasToolTemplate ?? null,
    pooling: facts?.pooling ?? null,
    memory: renderMemory(details, gpus),
  };
}

function renderMemory({ memory, contextTokens, totalBytes, freeBytes }: ModelDetails, gpus: readonly GpuFacts[]): unknown {
  if (memory === undefined) return null;
  const devices = gpus.flatMap(({ name, memoryBytes, isIntegrated }) =>
    memoryBytes === undefined || isIntegrated ? [] : [{ name, memoryBytes }],
  );
  return {
    ctx_size: contextTokens,
    weights: memory.weightsBytes,
    kv_cache: memory.kvCacheBytes,
    compute: memory.computeBytes,
    total: memory.totalBytes,
    available: totalBytes,
    free: freeBytes,
    fits: memory.totalBytes <= totalBytes,
    fits_now: memory.totalBytes <= freeBytes,
    gpus: devices.map(({ name, memoryBytes }) => ({ name, memory: memoryBytes, fits: memory.totalBytes <= memoryBytes })),
  };
}

/** `/v1` is where llama.cpp's clients look, too. Its fields are most of a long list, so Lemonade's own paths are spared them. */
function isLemonadePath({ url }: Request): boolean {
  return pathOf(url).startsWith("/api/");
}

export function modelEndpoints(router: Router, { startedMs }: { startedMs: number }): Endpoint[] {
  const createdSeconds = Math.floor(startedMs / 1000);
  const renderPlain = async (entry: CatalogEntry, identity: Identity): Promise<v.InferOutput<typeof Model>> => ({
    ...renderModel(entry, createdSeconds, identity),
    recipe_options: renderOptions(router.savedOptionsOf(entry), identity),
  });
  /** With what llama.cpp's clients look for in what their own router would list. */
  const renderFull = async (entry: CatalogEntry, identity: Identity): Promise<v.InferOutput<typeof Model>> => {
    const model = await renderPlain(entry, identity);
    if (!isListed(router, entry)) return model;
    return { ...renderListedModel(await describeModel(router, { entry, identity }), createdSeconds), ...model };
  };
  const plainRows = new ModelRows({ router, tellsMore: () => false, render: renderPlain });
  const fullRows = new ModelRows({ router, tellsMore: (entry) => isListed(router, entry), render: renderFull });
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
      async handle({ request, query, identity }) {
        if (query.reload) {
          authorize(identity, "manage");
          await router.reload();
        }
        const known = await router.catalog.list({ all: true });
        // What the preset file names is there for whoever wrote it, also before it is fetched.
        const entries = query.show_all === "true" ? known : known.filter((entry) => isListed(router, entry));
        const rows = isLemonadePath(request) ? plainRows : fullRows;
        const texts = await Promise.all(entries.map(async (entry) => await rows.text(entry, identity)));
        return jsonText(`{"object":"list","data":[${texts.join(",")}]}`);
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
      async handle({ request, params, query, identity, signal }) {
        const { id = "" } = params;
        requireReachable(id, identity);
        const entry = await router.resolve(id);
        const model = await (isLemonadePath(request) ? renderPlain(entry, identity) : renderFull(entry, identity));
        if (query.details !== "true") return json(model);
        const contextTokens = query.ctx_size === undefined ? undefined : Number(query.ctx_size);
        const [details, { facts }] = await Promise.all([
          router.details(entry, { contextTokens, signal }),
          router.engines.report({ complete: true, signal }),
        ]);
        return json({ ...model, ...renderDetails(details, { gpus: facts.gpus, identity }) });
      },
    }),
  ];
}
