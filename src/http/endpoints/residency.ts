import type { Hono } from "hono";
import { RouterError } from "../../errors.ts";
import type { LoadOptions, ModelStatus, Router } from "../../router/index.ts";
import { splitArguments } from "../../router/index.ts";
import { readJsonBody, stringField, type JsonBody } from "../read-json-body.ts";

/** Adds `health`, `load`, `unload` and `/live`. */
export function addResidency(app: Hono, options: { router: Router; prefixes: readonly string[]; version: string }): void {
  const { router, prefixes, version } = options;
  app.get("/live", (c) => c.json({ status: "ok" }));
  for (const prefix of prefixes) {
    app.get(`${prefix}/health`, (c) => c.json(renderHealth(router.status(), version)));
    app.post(`${prefix}/load`, async (c) => {
      const { fields } = await readJsonBody(c.req.raw);
      const { entry, wasLoaded } = await router.load(requiredModel(fields), { signal: c.req.raw.signal, load: loadOptions(fields) });
      const message = `${wasLoaded ? "Model already loaded" : "Loaded model"}: ${entry.id}`;
      return c.json({ status: "success", message, model_name: entry.id, checkpoint: entry.checkpoint, recipe: entry.recipe });
    });
    app.post(`${prefix}/unload`, async (c) => {
      const { fields } = await readJsonBody(c.req.raw);
      const unloaded = await router.unload(stringField(fields, "model_name", "model"));
      return c.json({ status: "success", message: "Model unloaded successfully", unloaded });
    });
  }
}

function requiredModel(fields: JsonBody["fields"]): string {
  const model = stringField(fields, "model_name", "model");
  if (model === undefined) throw new RouterError("INVALID_REQUEST", "The field model_name is missing");
  return model;
}

function loadOptions(fields: JsonBody["fields"]): LoadOptions {
  const contextTokens = fields["ctx_size"];
  if (contextTokens !== undefined && contextTokens !== null && !(Number.isSafeInteger(contextTokens) && Number(contextTokens) > 0)) {
    throw new RouterError("INVALID_REQUEST", "The field ctx_size must be a positive whole number of tokens");
  }
  const args = stringField(fields, "llamacpp_args");
  return {
    ...(contextTokens === undefined || contextTokens === null ? {} : { contextTokens: Number(contextTokens) }),
    ...(args === undefined ? {} : { extraArgs: splitArguments(args) }),
  };
}

/** `model_loaded` and `checkpoint_loaded` are the most recently used ones, for clients that know of one model only. */
function renderHealth(status: readonly ModelStatus[], version: string): Record<string, unknown> {
  const loaded = status.filter(({ state }) => state !== "loading" && state !== "stopping");
  return {
    status: "ok",
    version,
    model_loaded: loaded[0]?.model ?? null,
    checkpoint_loaded: loaded[0]?.checkpoint ?? null,
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
      load_progress: model.loadFraction ?? null,
      last_use: model.lastUsedMs,
      notes: model.notes,
    })),
  };
}
