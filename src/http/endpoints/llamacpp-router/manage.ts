import * as v from "valibot";
import { explainUseFailure, LlamaCppError } from "../../../dialects/llamacpp/index.ts";
import type { CatalogEntry, Router } from "../../../router/index.ts";
import { endpoint, type Endpoint } from "../../endpoint.ts";
import { json } from "../../json.ts";
import { optional } from "../../schemas.ts";
import { requireReachable } from "../../security/index.ts";
import { isRemovable } from "./describe-models.ts";
import { answers, Done, LLAMACPP } from "./facts.ts";

const Named = v.looseObject({ model: optional(v.string()) });
const done = () => json({ success: true });
const isDone = { description: "It is begun, or done: the list and the events tell how it goes on", schema: Done };

const REPOSITORY = /^[^\s/:]+\/[^\s/:]+(?::\S+)?$/;

/** Loading, unloading, fetching and deleting models: every call returns at once, and what becomes of it is seen in the list. */
export function manageEndpoints(router: Router): Endpoint[] {
  const find = async (name: string) => (name === "" ? undefined : await router.catalog.find(name));
  const downloadOf = async (name: string) => (await router.library.running()).find(({ label }) => label === name);
  return [
    endpoint({
      ...LLAMACPP,
      method: "POST",
      paths: ["/models/load"],
      scope: "manage",
      summary: "Begin to load a model; an idle one makes room for it",
      body: Named,
      answers: answers(isDone, 400, 404, 500),
      async handle({ body, signal, identity }) {
        const name = body.model ?? "";
        requireReachable(name, identity);
        const isHere = (await find(name))?.isDownloaded === true || router.presets.isNamed(name);
        if (!isHere) throw await unknown(router, { name, message: "model is not found", status: 404 });
        try {
          await router.beginLoad(name, { signal });
        } catch (error) {
          throw explainUseFailure(name, error, { isListed: true });
        }
        return done();
      },
    }),
    endpoint({
      ...LLAMACPP,
      method: "POST",
      paths: ["/models/unload"],
      scope: "manage",
      summary: "Begin to unload a model, or cancel its download; requests in flight may finish for a while",
      body: Named,
      answers: answers(isDone, 400),
      async handle({ body }) {
        const name = body.model ?? "";
        const download = await downloadOf(name);
        if (download !== undefined) {
          await router.library.control(download.id, "cancel");
          return done();
        }
        const entry = await find(name);
        if (entry === undefined) throw await unknown(router, { name, message: "model is not found", status: 400 });
        const { state } = router.runOf(entry);
        if (state === "unloaded" || state === "queued") throw new LlamaCppError("MODEL_NOT_LOADED", "model is not running");
        router.beginUnload(entry.id);
        return done();
      },
    }),
    endpoint({
      ...LLAMACPP,
      method: "POST",
      paths: ["/models"],
      scope: "manage",
      summary: "Begin to download a model from the hub, `org/repo` with an optional `:quant`",
      body: Named,
      answers: answers(isDone, 400, 404, 500, 503),
      async handle({ body, signal }) {
        const name = body.model ?? "";
        if (name === "") throw new LlamaCppError("INVALID_REQUEST", "model must be a non-empty string");
        if (!REPOSITORY.test(name)) {
          throw new LlamaCppError("INVALID_REQUEST", "error: invalid HF repo format, expected <user>/<model>[:quant]");
        }
        if ((await find(name))?.isDownloaded === true || (await downloadOf(name)) !== undefined) {
          throw new LlamaCppError("MODEL_ALREADY_REGISTERED", `model '${name}' already exists`, { status: 400 });
        }
        await router.library.pull({ model: name }, { signal, isDetached: true });
        return done();
      },
    }),
    endpoint({
      ...LLAMACPP,
      method: "DELETE",
      paths: ["/models"],
      scope: "manage",
      summary: "Delete a downloaded model, unloading it first; or cancel its download",
      query: v.looseObject({ model: v.optional(v.string()) }),
      answers: answers(isDone, 400, 500),
      async handle({ query, signal }) {
        const name = query.model ?? "";
        if (name === "") throw new LlamaCppError("INVALID_REQUEST", "model must be a non-empty string");
        const download = await downloadOf(name);
        if (download !== undefined) await router.library.control(download.id, "cancel");
        else await remove(router, { name, entry: await find(name), signal });
        return done();
      },
    }),
  ];
}

async function remove(router: Router, options: { name: string; entry: CatalogEntry | undefined; signal: AbortSignal }): Promise<void> {
  const { name, entry, signal } = options;
  if (entry === undefined || !entry.isDownloaded)
    throw await unknown(router, { name, message: `model name=${name} is not found`, status: 500 });
  if (!isRemovable(router, entry)) {
    throw new LlamaCppError("MODEL_NOT_DELETABLE", `model name=${name} is not removable (not from cache)`, { status: 500 });
  }
  await router.deleteModel(entry.id, { signal, unload: true });
}

async function unknown(router: Router, options: { name: string; message: string; status: number }): Promise<LlamaCppError> {
  const { name, message, status } = options;
  const close = name === "" ? [] : await router.catalog.suggest(name);
  const hint = close.length === 0 ? undefined : `Did you mean ${close.join(" or ")}?`;
  return new LlamaCppError("MODEL_NOT_FOUND", message, { status, hint });
}
