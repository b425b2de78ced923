import * as v from "valibot";
import {
  formatEngineName,
  parseEngineName,
  type Engines,
  type EngineStatus,
  type InstalledEngine,
  type InstallProgress,
} from "../../router/index.ts";
import { endpoint, type Call, type Endpoint } from "../endpoint.ts";
import { taskResponse } from "../event-response.ts";
import { json } from "../json.ts";
import { below, optional, Success } from "../schemas.ts";

const NAME_MESSAGE = "must name an engine: llamacpp, llamacpp:VARIANT, embedded or flm";
const Named = {
  backend: v.pipe(v.string(NAME_MESSAGE), v.minLength(1, NAME_MESSAGE)),
  variant: optional(v.string("must be a text")),
};

const InstallFields = v.looseObject({
  ...Named,
  version: optional(v.string("must be a text")),
  force: optional(v.boolean("must be true or false")),
  stream: optional(v.boolean("must be true or false")),
});
type InstallFields = v.InferOutput<typeof InstallFields>;

const Backend = v.looseObject({
  name: v.string(),
  backend: v.string(),
  variant: v.nullable(v.string()),
  installed: v.boolean(),
  version: v.nullable(v.string()),
  path: v.nullable(v.string()),
  available_version: v.nullable(v.string()),
  available: v.boolean(),
  default: v.boolean(),
  reason: v.string(),
});

const Installed = v.looseObject({ ...Success.entries, name: v.string(), version: v.string(), path: v.string() });

/** Events of one kind are at least this far apart. */
const EVENT_PAUSE_MS = 100;

/** Endpoints that list, install and remove engines. */
export function engineEndpoints(engines: Engines): Endpoint[] {
  return [
    endpoint({
      method: "GET",
      paths: below("backends"),
      scope: "admin",
      tag: "Engines",
      summary: "Engines that are installed here or could be",
      answers: { 200: { description: "The engines", schema: v.looseObject({ data: v.array(Backend) }) } },
      handle: async ({ signal }) => json({ object: "list", data: (await engines.list(signal)).map(renderStatus) }),
    }),
    endpoint({
      method: "POST",
      paths: below("install"),
      scope: "admin",
      tag: "Engines",
      summary: "Install an engine; with `stream` the progress as events. A caller who leaves ends the installation",
      body: InstallFields,
      answers: { 200: { description: "It is installed", schema: Installed, hasEvents: true } },
      errors: ["INSTALL_FAILED", "BACKEND_NOT_INSTALLED", "BACKEND_IN_USE", "OFFLINE", "DISK_FULL", "CHECKSUM_MISMATCH", "SHUTTING_DOWN"],
      async handle(call) {
        const { body, signal } = call;
        if (body.stream) return installStream(engines, call);
        return json(renderInstalled(await installAs(engines, body, { signal })));
      },
    }),
    endpoint({
      method: "POST",
      paths: below("uninstall"),
      scope: "admin",
      tag: "Engines",
      summary: "Remove an engine of which nothing runs",
      body: v.looseObject(Named),
      answers: { 200: { description: "It is removed", schema: Success } },
      errors: ["BACKEND_NOT_INSTALLED", "BACKEND_IN_USE"],
      async handle({ body, signal }) {
        const name = formatEngineName(await engines.uninstall(parseEngineName(formatName(body)), signal));
        return json({ status: "success", message: `Uninstalled ${name}`, name });
      },
    }),
  ];
}

/** Both ways to name a variant: `llamacpp:cpu`, or the variant in a field of its own. */
function formatName({ backend, variant }: { backend: string; variant?: string | null | undefined }): string {
  return formatEngineName({ backend, variant: variant ?? undefined });
}

async function installAs(
  engines: Engines,
  body: InstallFields,
  options: { signal: AbortSignal; onProgress?: (progress: InstallProgress) => void },
): Promise<InstalledEngine> {
  const { version, force } = body;
  return await engines.install(parseEngineName(formatName(body)), { ...options, version: version ?? undefined, force: force ?? undefined });
}

/** Progress as server-sent events, as often as a reader can use it. */
function installStream(engines: Engines, call: Call<InstallFields, unknown>): Response {
  return taskResponse(call, (left) => {
    let latest: InstallProgress | undefined;
    let news = Promise.withResolvers<void>();
    const onProgress = (progress: InstallProgress): void => {
      latest = progress;
      news.resolve();
    };
    const work = installAs(engines, call.body, { signal: left, onProgress });
    const isOver = work.then(
      () => true,
      () => true,
    );
    async function* progress() {
      while (!(await Promise.race([isOver, news.promise]))) {
        news = Promise.withResolvers();
        if (latest !== undefined) yield renderProgress(latest);
        await pause(EVENT_PAUSE_MS, isOver);
      }
    }
    return { progress: progress(), result: async () => renderInstalled(await work) };
  });
}

async function pause(durationMs: number, unless: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, durationMs);
  await Promise.race([promise, unless]);
  clearTimeout(timer);
}

function renderStatus({ name, installed, availableVersion, isUsable, isDefault, reason }: EngineStatus): v.InferOutput<typeof Backend> {
  return {
    name: formatEngineName(name),
    backend: name.backend,
    variant: name.variant ?? null,
    installed: installed !== undefined,
    version: installed?.version ?? null,
    path: installed?.path ?? null,
    available_version: availableVersion ?? null,
    available: isUsable,
    default: isDefault,
    reason,
  };
}

function renderInstalled({ name, version, path, wasInstalledAlready, warnings }: InstalledEngine): v.InferOutput<typeof Installed> {
  const text = formatEngineName(name);
  const message = wasInstalledAlready ? `${text} ${version} is installed already` : `Installed ${text} ${version}`;
  return { status: "success", message, name: text, version, path, installed_already: wasInstalledAlready, warnings };
}

function renderProgress({ stage, fraction, bytesDone, bytesTotal, detail }: InstallProgress): Readonly<Record<string, unknown>> {
  return {
    stage,
    percent: fraction === undefined ? null : Math.floor(fraction * 100),
    bytes_done: bytesDone ?? null,
    bytes_total: bytesTotal ?? null,
    detail: detail ?? null,
  };
}
