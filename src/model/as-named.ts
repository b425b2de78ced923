import { joinCheckpoint, parseHubCheckpoint } from "./checkpoint.ts";
import type { ModelEntry } from "./model-entry.ts";
import type { ModelId } from "./model-id.ts";

/**
 * The model that a name means to somebody who fetches or deletes it. A place on the hub, `org/repo:QUANT`, means exactly that: what the
 * cache happens to have of the repository is good enough for a chat, but may be another variant.
 * @param known - What the catalog finds under the name.
 */
export function asNamed(name: string, known: ModelEntry): ModelEntry {
  const asked = name === known.id ? undefined : parseHubCheckpoint(name);
  const found = parseHubCheckpoint(known.checkpoint);
  if (asked === undefined || (known.source !== "hub-cache" && known.source !== "registry")) return known;
  if (asked.repo === found?.repo && asked.variant?.toLowerCase() === found.variant?.toLowerCase()) return known;
  const checkpoint = joinCheckpoint(asked);
  return { id: checkpoint as ModelId, checkpoint, recipe: "llamacpp", labels: [], source: "hub-cache", suggested: false };
}
