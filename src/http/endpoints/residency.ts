import * as v from "valibot";
import { RouterError } from "../../errors.ts";
import { splitArguments, type Router } from "../../router/index.ts";
import { endpoint, type Endpoint } from "../endpoint.ts";
import { json } from "../json.ts";
import { redactForStrangers, type Identity } from "../security/index.ts";
import { renderTotals } from "./stats.ts";
import { below, ModelName, optional, Success } from "../schemas.ts";

const Health = v.looseObject({
  status: v.literal("ok"),
  version: v.string(),
  model_loaded: v.nullable(v.string()),
  checkpoint_loaded: v.nullable(v.string()),
  /** Requests that wait for a load or for a place. */
  requests_waiting: v.number(),
  all_models_loaded: v.array(v.looseObject({ model_name: v.string(), state: v.string() })),
});

/** `model_name` is Lemonade's; its C++ server and llama.cpp's router take `model` too. */
const named = { model_name: optional(ModelName), model: optional(ModelName) };

const LoadRequest = v.looseObject({
  ...named,
  ctx_size: optional(v.pipe(v.number(), v.integer(), v.minValue(1, "must be a positive number of tokens"))),
  llamacpp_args: optional(v.string()),
});

/** Endpoints about which models are loaded: `live`, `health`, `load`, `unload`. */
export function residencyEndpoints(router: Router, { version }: { version: string }): Endpoint[] {
  return [
    endpoint({
      method: "GET",
      paths: ["/live"],
      scope: "public",
      tag: "Server",
      summary: "Whether the server runs",
      answers: { 200: { description: "It does", schema: v.object({ status: v.literal("ok") }) } },
      handle: () => json({ status: "ok" }),
    }),
    endpoint({
      method: "GET",
      paths: [...below("health"), "/health"],
      scope: "public",
      tag: "Server",
      summary: "Which models are loaded",
      answers: { 200: { description: "The loaded models, most recently used first", schema: Health } },
      // Whoever may not ask models learns that the server lives, not what runs on this machine.
      handle: ({ identity }) => json(renderHealth(router, { version, identity })),
    }),
    endpoint({
      method: "POST",
      paths: below("load"),
      scope: "manage",
      tag: "Models",
      summary: "Load a model, or load it again with other options",
      body: LoadRequest,
      answers: { 200: { description: "It is loaded", schema: Success } },
      async handle({ body, signal }) {
        const name = body.model_name ?? body.model;
        if (!name) throw new RouterError("INVALID_REQUEST", "The field model_name is missing");
        const load = {
          ...(body.ctx_size ? { contextTokens: body.ctx_size } : {}),
          ...(body.llamacpp_args ? { extraArgs: splitArguments(body.llamacpp_args) } : {}),
        };
        const { entry, wasLoaded } = await router.load(name, { signal, load });
        const message = `${wasLoaded ? "Model already loaded" : "Loaded model"}: ${entry.id}`;
        return json({ status: "success", message, model_name: entry.id, checkpoint: entry.checkpoint, recipe: entry.recipe });
      },
    }),
    endpoint({
      method: "POST",
      paths: below("unload"),
      scope: "manage",
      tag: "Models",
      summary: "Unload one model, or all when none is named",
      body: v.looseObject(named),
      answers: { 200: { description: "It is unloaded", schema: Success } },
      async handle({ body }) {
        const unloaded = await router.unload(body.model_name ?? body.model ?? undefined);
        return json({ status: "success", message: "Model unloaded successfully", unloaded });
      },
    }),
  ];
}

/** `model_loaded` and `checkpoint_loaded` are the most recently used ones, for clients that know of one model only. */
function renderHealth(
  router: Router,
  { version, identity: { scopes } }: { version: string; identity: Identity },
): v.InferOutput<typeof Health> {
  const status = scopes.includes("infer") ? router.status() : [];
  const redact = scopes.includes("admin") ? (text: string) => text : redactForStrangers;
  const loaded = status.filter(({ state }) => state === "ready" || state === "busy" || state === "draining");
  return {
    status: "ok",
    version,
    model_loaded: loaded[0]?.model ?? null,
    checkpoint_loaded: loaded[0]?.checkpoint ?? null,
    requests_waiting: router.waitingCount,
    all_models_loaded: status.map((model) => ({
      model_name: model.model,
      checkpoint: model.checkpoint,
      recipe: model.recipe,
      type: model.kind,
      state: model.state,
      backend: model.backend ?? null,
      backend_url: model.baseUrl === undefined ? null : `${model.baseUrl}/v1`,
      pid: model.pid ?? null,
      in_flight: model.inFlight,
      load_stage: model.loadStage ?? null,
      load_progress: model.loadFraction ?? null,
      memory_bytes: model.memoryBytes ?? null,
      stats: totalsOf(router, model.model),
      last_use: model.lastUsedMs,
      notes: model.notes.map(redact),
    })),
  };
}

function totalsOf({ stats }: Router, model: string): ReturnType<typeof renderTotals> | null {
  const totals = stats.ofModel(model);
  return totals === undefined ? null : renderTotals(totals);
}
