import * as v from "valibot";
import type { DownloadStatus, Router } from "../../router/index.ts";
import { endpoint, type Call, type Endpoint } from "../endpoint.ts";
import { taskResponse } from "../event-response.ts";
import { json } from "../json.ts";
import { below, ModelName, named, optional, requiredName, Success } from "../schemas.ts";
import { redactionFor, type Identity } from "../security/index.ts";

const FLAG = "must be true or false";
/** Lemonade's command sent a flag's value as text. */
const flag = optional(
  v.union(
    [
      v.boolean(),
      v.pipe(
        v.string(),
        v.regex(/^(?:true|false)$/i),
        v.transform((text) => /^true$/i.test(text)),
      ),
    ],
    FLAG,
  ),
);

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
      handle: async (call) => await pull(router, call),
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
      async handle({ identity }) {
        const downloads = await library.downloads();
        return json({ object: "list", data: downloads.map((download) => renderDownload(download, identity)) });
      },
    }),
    endpoint({
      method: "POST",
      paths: below("downloads/control"),
      scope: "manage",
      tag: "Models",
      summary:
        "Pause, resume or cancel a download; cancelling drops what has arrived of unfinished files, leaving pauses it unless others want it",
      body: v.looseObject({
        id: ModelName,
        action: v.picklist(["pause", "resume", "cancel", "remove", "leave"], "must be pause, resume, cancel, remove or leave"),
      }),
      answers: { 200: { description: "The download as it now is", schema: Success } },
      async handle({ body: { id, action }, identity }) {
        const status = await library.control(id, action === "remove" ? "cancel" : action);
        const download = renderDownload(status, identity);
        return json({ status: "success", message: `The download of ${status.label} is ${status.state}`, download });
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
        const { freedBytes, note } = await router.deleteModel(requiredName(body), { signal, unload: body.unload ?? false });
        const message = `Deleted model: ${requiredName(body)}${note === undefined ? "" : ` (${note})`}`;
        return json({ status: "success", message, freed_bytes: freedBytes });
      },
    }),
  ];
}

async function pull(router: Router, call: Call<v.InferOutput<typeof PullFields>, unknown>): Promise<Response> {
  const { body, signal, identity } = call;
  const model = requiredName(body);
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
  const isDetached = body.subscribe === false;
  const { entry, download } = await library.pull(request, {
    signal,
    isDetached,
    keepsVersion: body.do_not_upgrade ?? false,
    whenLeft: body.stop_on_disconnect ? "pauses" : "goes on",
  });
  const done = { status: "success", message: `Installed model: ${entry.id}`, model_name: entry.id };
  if (download === undefined && !body.stream) return json(done);
  if (isDetached) return json({ ...done, message: `Downloading ${entry.id}`, download: download && renderDownload(download, identity) });
  if (body.stream)
    return taskResponse(call, (left) => ({ progress: watch(router, { download, identity }, left), result: async () => done }));
  if (download !== undefined) await library.wait(download.id, signal);
  return json(done);
}

interface Pulled {
  readonly download: DownloadStatus | undefined;
  readonly identity: Identity;
}

/** Progress at most ten times a second. */
async function* watch({ library }: Router, { download, identity }: Pulled, until: AbortSignal): AsyncGenerator {
  if (download === undefined) return;
  for await (const status of library.watch(download.id, until)) yield renderDownload(status, identity);
  await library.wait(download.id, until);
}

function renderDownload(status: DownloadStatus, identity: Identity): v.InferOutput<typeof Download> {
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
    error: status.error === undefined ? null : (redactionFor(identity)?.(status.error.message) ?? status.error.message),
    files: status.files.map(({ path, bytes, sizeBytes, bytesPerSecond, etaSeconds }) => ({
      path,
      bytes_done: bytes,
      bytes_total: sizeBytes,
      bytes_per_second: bytesPerSecond ?? null,
      eta_seconds: etaSeconds ?? null,
    })),
  };
}
