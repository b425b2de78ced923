import * as v from "valibot";
import { loadOptionsOf, recipeOptionsOf, splitArguments, type ModelStatus, type RecipeOptions, type Router } from "../../router/index.ts";
import { LLAMACPP_BACKENDS } from "../../platform/index.ts";
import { endpoint, type Endpoint } from "../endpoint.ts";
import { json } from "../json.ts";
import { authorizeArguments, redactionFor, shownName, shownPath, type Identity } from "../security/index.ts";
import { renderTotals } from "./stats.ts";
import { below, givenName, named, optional, requiredName, Success } from "../schemas.ts";

const Health = v.looseObject({
  status: v.literal("ok"),
  version: v.string(),
  model_loaded: v.nullable(v.string()),
  checkpoint_loaded: v.nullable(v.string()),
  /** Requests that wait for a load or for a place. */
  requests_waiting: v.number(),
  all_models_loaded: v.array(v.looseObject({ model_name: v.string(), state: v.string() })),
});

const LoadRequest = v.looseObject({
  ...named,
  ctx_size: optional(v.pipe(v.number(), v.integer(), v.minValue(1, "must be a positive number of tokens"))),
  llamacpp_backend: optional(v.picklist(LLAMACPP_BACKENDS, `must be one of ${LLAMACPP_BACKENDS.join(", ")}`)),
  llamacpp_args: optional(v.string("must be a text")),
  /** Whether these options hold for every later load of the model, in the place of what was saved; none of them forgets it. */
  save_options: optional(v.boolean("must be true or false")),
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
      async handle({ body, signal, identity }) {
        const name = requiredName(body);
        // Also a quote that is not closed is told before a model is fetched.
        await authorizeArguments(splitArguments(body.llamacpp_args ?? ""), identity);
        const load = loadOptionsOf({
          ctx_size: body.ctx_size ?? undefined,
          llamacpp_backend: body.llamacpp_backend ?? undefined,
          llamacpp_args: body.llamacpp_args ?? undefined,
        });
        const { entry, wasLoaded } = await router.load(name, { signal, load, saves: body.save_options ?? false });
        const message = `${wasLoaded ? "Model already loaded" : "Loaded model"}: ${entry.id}`;
        return json({
          status: "success",
          message,
          model_name: entry.id,
          checkpoint: shownPath(entry.checkpoint, identity),
          recipe: entry.recipe,
        });
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
        const unloaded = await router.unload(givenName(body));
        return json({ status: "success", message: "Model unloaded successfully", unloaded });
      },
    }),
  ];
}

/** `model_loaded` and `checkpoint_loaded` are the most recently used ones, for clients that know of one model only. */
function renderHealth(router: Router, { version, identity }: { version: string; identity: Identity }): v.InferOutput<typeof Health> {
  // Whoever may not ask models learns that the server lives, not what runs on this machine; how it runs is for its administrator.
  const status = identity.scopes.includes("infer") ? router.status() : [];
  const isAdmin = identity.scopes.includes("admin");
  const redact = redactionFor(identity) ?? ((text: string) => text);
  const loaded = status.filter(({ state }) => state === "ready" || state === "busy" || state === "draining");
  return {
    status: "ok",
    version,
    model_loaded: loaded[0] === undefined ? null : shownName(loaded[0].model, identity),
    checkpoint_loaded: loaded[0] === undefined ? null : shownPath(loaded[0].checkpoint, identity),
    requests_waiting: router.waitingCount,
    all_models_loaded: status.map((model) => ({
      model_name: shownName(model.model, identity),
      checkpoint: shownPath(model.checkpoint, identity),
      recipe: model.recipe,
      type: model.kind,
      state: model.state,
      backend: model.backend ?? null,
      backend_url: model.baseUrl === undefined || !isAdmin ? null : `${model.baseUrl}/v1`,
      pid: (isAdmin ? model.pid : undefined) ?? null,
      in_flight: model.inFlight,
      load_stage: model.loadStage ?? null,
      load_progress: model.loadFraction ?? null,
      context_size: model.contextTokens ?? null,
      memory_bytes: model.memoryBytes ?? null,
      device_memory_bytes: model.deviceBytes ?? null,
      recipe_options: renderOptions(model.options, identity),
      stats: totalsOf(router, model.model, identity),
      last_use: model.lastUsedMs,
      notes: model.notes.map(redact),
    })),
  };
}

/** Arguments may hold paths: whoever manages models sees them. */
export function renderOptions(options: ModelStatus["options"], { scopes }: Identity): RecipeOptions {
  const { llamacpp_args: args, ...rest } = recipeOptionsOf(options);
  return scopes.includes("manage") && args !== undefined ? { ...rest, llamacpp_args: args } : rest;
}

function totalsOf({ stats }: Router, model: string, identity: Identity): ReturnType<typeof renderTotals> | null {
  const totals = stats.ofModel(model);
  return totals === undefined ? null : renderTotals(totals, identity);
}
