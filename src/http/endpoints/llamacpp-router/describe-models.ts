import { maskSecrets, type ListedModel, type StatusValue } from "../../../dialects/llamacpp/index.ts";
import { filesOf, type CatalogEntry, type DownloadStatus, type ModelRun, type Router } from "../../../router/index.ts";
import { redactForStrangers, shownPath, type Identity } from "../../security/index.ts";
import { importLater } from "../../../platform/index.ts";

const STATUS: Readonly<Record<ModelRun["state"], StatusValue>> = {
  unloaded: "unloaded",
  queued: "loading",
  loading: "loading",
  loaded: "loaded",
  sleeping: "sleeping",
};

/** The models that llama.cpp's clients see: those that are here, those that the preset file names, and those on their way. */
export async function describeModels(router: Router, identity: Identity): Promise<ListedModel[]> {
  const known = await router.catalog.list({ all: true });
  const entries = known.filter((entry) => isListed(router, entry));
  const downloads = new Map((await router.library.running()).map((download) => [download.label, download]));
  const listed = await Promise.all(entries.map(async (entry) => await describeModel(router, { entry, identity })));
  const names = new Set(listed.map(({ id }) => id));
  const arriving = [...downloads.values()].filter(({ label }) => !names.has(label)).map(describeDownload);
  return [...listed, ...arriving].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** Whether llama.cpp's router would know a model: it is here, or the preset file names it. */
export function isListed(router: Router, { id, isDownloaded }: CatalogEntry): boolean {
  return isDownloaded || router.presets.hasSection(id);
}

const loadPresets = async () => await import("../../../model/presets/index.ts");

/** Paths on this machine are shown to whoever administers it. */
export async function describeModel(
  router: Router,
  { entry, identity }: { entry: CatalogEntry; identity: Identity },
): Promise<ListedModel> {
  const { presetIni } = await importLater(loadPresets);
  const run = router.runOf(entry);
  const planned = await router.describeLaunch(entry);
  const preset = router.presets.presetOf(entry.id)?.launch;
  // Of a model that does not run, what the next start will be like: clients read its context from there.
  const isPast = run.state === "unloaded" && planned.commandLine.length > 0;
  const commandLine = maskSecrets(isPast || run.commandLine.length === 0 ? planned.commandLine : run.commandLine);
  const ini = presetIni(entry.id, new Map([...planned.options].map(([name, value]) => [name, shownPath(value, identity)])));
  const isShown = identity.scopes.includes("admin");
  return {
    id: entry.id,
    aliases: preset?.aliases ?? [],
    tags: preset?.tags ?? [],
    status: STATUS[run.state],
    args: isShown ? commandLine : commandLine.map((word) => redactForStrangers(shownPath(word, identity))),
    preset: isShown ? ini : redactForStrangers(ini),
    failure: run.failure && { ...run.failure, message: isShown ? run.failure.message : redactForStrangers(run.failure.message) },
    source: sourceOf(router, entry),
    isRemovable: isRemovable(router, entry),
    seesImages: entry.labels.includes("vision"),
    hearsAudio: entry.labels.includes("audio"),
    info: run.info,
  };
}

function sourceOf(router: Router, { id, source }: CatalogEntry): ListedModel["source"] {
  if (router.presets.hasSection(id) || source === "builtin") return "preset";
  return source === "models-dir" || source === "path" ? "models_dir" : "cache";
}

/** What was downloaded can be deleted, unless the preset file says that it shall be there. */
export function isRemovable(router: Router, entry: CatalogEntry): boolean {
  return sourceOf(router, entry) === "cache";
}

function describeDownload(download: DownloadStatus): ListedModel {
  return {
    id: download.label,
    aliases: [],
    tags: [],
    status: "downloading",
    args: [],
    preset: "",
    download: filesOf(download),
    source: "cache",
    isRemovable: true,
    seesImages: false,
    hearsAudio: false,
  };
}
