import { readFile } from "node:fs/promises";
import { RouterError, errorMessage } from "../errors.ts";
import type { ModelEntry } from "../model/index.ts";
import { importLater } from "../platform/index.ts";
import { readRegistryEntry } from "./registry-entry.ts";

export interface Registry {
  readonly byId: ReadonlyMap<string, ModelEntry>;
  /** The first model of each checkpoint. */
  readonly byCheckpoint: ReadonlyMap<string, ModelEntry>;
}

/**
 * Reads the registry of models that the program brings, or another file of the same format. Not at start: the first question for a
 * model pays for it, once.
 * @throws {@link RouterError} `CONFIG_INVALID` when a file that was named cannot be read as a registry.
 */
export async function loadRegistry(file: string | undefined): Promise<Registry> {
  const value: unknown = file === undefined ? await readBundled() : await readNamed(file);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RouterError("CONFIG_INVALID", `${file ?? "The built-in registry"} is not a model registry: it is no JSON object`);
  }
  const byId = new Map<string, ModelEntry>();
  const byCheckpoint = new Map<string, ModelEntry>();
  for (const [name, fields] of Object.entries(value)) {
    // One entry of a newer format must not take the others with it.
    const entry = readRegistryEntry(name, fields, { source: "registry", isSuggestedByDefault: false });
    if (!entry) continue;
    byId.set(name, entry);
    if (!byCheckpoint.has(entry.checkpoint)) byCheckpoint.set(entry.checkpoint, entry);
  }
  return { byId, byCheckpoint };
}

async function readBundled(): Promise<unknown> {
  const module = await importLater(() => import("./server-models.json", { with: { type: "json" } }));
  return module.default;
}

async function readNamed(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw new RouterError("CONFIG_INVALID", `The model registry ${file} cannot be read: ${errorMessage(error)}`, { cause: error });
  }
}
