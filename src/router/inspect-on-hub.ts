import type { FileSet, HubClient } from "../hub/index.ts";
import { isGgufPath, isProjectorName, type ModelEntry } from "../model/index.ts";
import { importLater } from "../platform/index.ts";
import type { ModelFacts } from "./model-details.ts";

/** What a model that is not here would bring: its files, and what their headers say. */
export async function inspectOnHub(
  client: HubClient,
  set: FileSet,
  { entry, signal }: { entry: ModelEntry; signal: AbortSignal },
): Promise<ModelFacts> {
  const files = set.files.map(({ path, sizeBytes }) => ({ path, sizeBytes }));
  if (entry.recipe !== "llamacpp") return { files, facts: undefined, projectorBytes: 0 };
  const { readRemoteHeader } = await importLater(() => import("../hub/index.ts"));
  const { ggufFacts } = await importLater(() => import("../model/gguf/index.ts"));
  const ggufs = files.filter(({ path }) => isGgufPath(path));
  const [first, ...others] = ggufs.filter(({ path }) => !isProjectorName(path)).toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const headerOf = async ({ path }: { path: string }) => await readRemoteHeader(client, { ...set, path }, signal);
  const facts = first && ggufFacts([await headerOf(first), ...(await Promise.all(others.map(headerOf)))]);
  const projectorBytes = ggufs.filter(({ path }) => isProjectorName(path)).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return { files, facts, projectorBytes };
}
