import * as v from "valibot";
import { renderErrorEvent } from "../../dialects/index.ts";
import { RouterError } from "../../errors.ts";
import type { DownloadStatus, Router } from "../../router/index.ts";
import { endpoint, type Endpoint } from "../endpoint.ts";
import { json } from "../json.ts";
import { streamOf } from "../stream-of.ts";
import { below, ModelName, optional, Success } from "../schemas.ts";

const flag = optional(v.boolean());
const named = { model_name: optional(ModelName), model: optional(ModelName) };

/** Lemonade's page sends a whole registry entry along: what is not named here is let pass. */
const PullFields = v.looseObject({
  ...named,
  checkpoint: optional(v.string()),
  recipe: optional(v.string()),
  mmproj: optional(v.string()),
  reasoning: flag,
  vision: flag,
  embedding: flag,
  embeddings: flag,
  reranking: flag,
  do_not_upgrade: flag,
  stream: flag,
  subscribe: flag,
  stop_on_disconnect: flag,
});

const Download = v.looseObject({
  id: v.string(),
  model: v.string(),
  state: v.string(),
  bytes_done: v.number(),
  bytes_total: v.number(),
});

/** Endpoints that fetch, find and delete models. */
export function libraryEndpoints(router: Router): Endpoint[] {
  const { library } = router;
  return [
    endpoint({
      method: "POST",
      paths: below("pull"),
      scope: "manage",
      tag: "Models",
      summary:
        "Download a model, and register it when its name is new; with `stream` the progress as events; with `subscribe: false` at once",
      body: PullFields,
      answers: { 200: { description: "It is here", schema: Success, hasEvents: true } },
      handle: async ({ body, signal }) => await pull(router, body, signal),
    }),
    endpoint({
      method: "GET",
      paths: below("pull/variants"),
      scope: "manage",
      tag: "Models",
      summary: "What a repository on the hub offers, with sizes in bytes",
      query: v.looseObject({ checkpoint: ModelName }),
      answers: {
        200: {
          description: "The variants",
          schema: v.looseObject({ data: v.array(v.looseObject({ variant: v.string(), size: v.number() })) }),
        },
      },
      async handle({ query, signal }) {
        const variants = await library.variants(query.checkpoint, signal);
        return json({ object: "list", data: variants.map(({ variant, files, sizeBytes }) => ({ variant, files, size: sizeBytes })) });
      },
    }),
    endpoint({
      method: "GET",
      paths: below("registry/search"),
      scope: "manage",
      tag: "Models",
      summary: "GGUF repositories on the hub",
      query: v.looseObject({ query: ModelName }),
      answers: {
        200: {
          description: "The repositories, most downloaded first",
          schema: v.looseObject({ data: v.array(v.looseObject({ repo: v.string() })) }),
        },
      },
      async handle({ query, signal }) {
        const found = await library.search(query.query, signal);
        const data = found.map(({ repo, downloads, likes, isGated, lastModified }) => ({
          repo,
          downloads,
          likes,
          gated: isGated,
          last_modified: lastModified ?? null,
        }));
        return json({ object: "list", data });
      },
    }),
    endpoint({
      method: "GET",
      paths: below("downloads"),
      scope: "manage",
      tag: "Models",
      summary: "Downloads that run, are paused, have failed or are just done",
      answers: { 200: { description: "The downloads, oldest first", schema: v.looseObject({ data: v.array(Download) }) } },
      handle: async () => json({ object: "list", data: (await library.downloads()).map(renderDownload) }),
    }),
    endpoint({
      method: "POST",
      paths: below("downloads/control"),
      scope: "manage",
      tag: "Models",
      summary: "Pause, resume or cancel a download; cancelling drops what has arrived of unfinished files",
      body: v.looseObject({
        id: ModelName,
        action: v.picklist(["pause", "resume", "cancel", "remove"], "must be pause, resume, cancel or remove"),
      }),
      answers: { 200: { description: "The download as it now is", schema: Success } },
      async handle({ body: { id, action } }) {
        const status = await library.control(id, action === "remove" ? "cancel" : action);
        return json({ status: "success", message: `The download of ${status.label} is ${status.state}`, download: renderDownload(status) });
      },
    }),
    endpoint({
      method: "POST",
      paths: below("delete"),
      scope: "manage",
      tag: "Models",
      summary: "Delete the files of one model; a loaded one only with `unload`",
      body: v.looseObject({ ...named, unload: flag }),
      answers: { 200: { description: "It is deleted", schema: Success } },
      async handle({ body, signal }) {
        const freedBytes = await router.deleteModel(nameOf(body), { signal, unload: body.unload ?? false });
        return json({ status: "success", message: `Deleted model: ${nameOf(body)}`, freed_bytes: freedBytes });
      },
    }),
  ];
}

function nameOf(body: { model_name?: string | null | undefined; model?: string | null | undefined }): string {
  const name = body.model_name ?? body.model;
  if (!name) throw new RouterError("INVALID_REQUEST", "The field model_name is missing");
  return name;
}

async function pull(router: Router, body: v.InferOutput<typeof PullFields>, signal: AbortSignal): Promise<Response> {
  const model = nameOf(body);
  const { library } = router;
  const request = {
    model,
    checkpoint: body.checkpoint || undefined,
    recipe: body.recipe || undefined,
    mmproj: body.mmproj || undefined,
    reasoning: body.reasoning ?? undefined,
    vision: body.vision ?? undefined,
    embeddings: body.embeddings ?? body.embedding ?? undefined,
    reranking: body.reranking ?? undefined,
  };
  const { entry, download } = await library.pull(request, { signal, keepsVersion: body.do_not_upgrade ?? false });
  const done = { status: "success", message: `Installed model: ${entry.id}`, model_name: entry.id };
  if (download === undefined && !body.stream) return json(done);
  if (body.subscribe === false)
    return json({ ...done, message: `Downloading ${entry.id}`, download: download && renderDownload(download) });
  const stopsWithClient = body.stop_on_disconnect ?? false;
  const stop = () => void library.control(download?.id ?? "", "pause").catch(() => {}); // It may be over already.
  if (stopsWithClient) signal.addEventListener("abort", stop, { once: true });
  if (body.stream) return progressStream(router, { download, done, signal });
  if (download !== undefined) await library.wait(download.id, signal);
  signal.removeEventListener("abort", stop);
  return json(done);
}

/** Progress as server-sent events: `progress` at most ten times a second, then `complete` or `error`. */
function progressStream(router: Router, pulled: { download: DownloadStatus | undefined; done: unknown; signal: AbortSignal }): Response {
  const { download, done, signal } = pulled;
  async function* events(): AsyncGenerator<string> {
    const event = (name: string, data: unknown) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
    try {
      if (download !== undefined) {
        for await (const status of router.library.watch(download.id, signal)) yield event("progress", renderDownload(status));
        await router.library.wait(download.id, signal);
      }
      yield event("complete", done);
    } catch (error) {
      if (!signal.aborted) yield `event: error\n${renderErrorEvent(error)}`;
    }
  }
  return new Response(streamOf(events()), {
    headers: { "content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no" },
  });
}

function renderDownload(status: DownloadStatus): v.InferOutput<typeof Download> {
  return {
    id: status.id,
    model: status.label,
    repo: status.repo,
    state: status.waitingFor === undefined ? status.state : "waiting",
    bytes_done: status.bytes,
    bytes_total: status.totalBytes,
    percent: status.totalBytes > 0 ? Math.floor((status.bytes / status.totalBytes) * 100) : 0,
    bytes_per_second: status.bytesPerSecond ?? null,
    eta_seconds: status.etaSeconds ?? null,
    waiting_for: status.waitingFor ?? null,
    error: status.error?.message ?? null,
    files: status.files.map(({ path, bytes, sizeBytes, bytesPerSecond, etaSeconds }) => ({
      path,
      bytes_done: bytes,
      bytes_total: sizeBytes,
      bytes_per_second: bytesPerSecond ?? null,
      eta_seconds: etaSeconds ?? null,
    })),
  };
}
