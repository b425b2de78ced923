import * as v from "valibot";
import { splitCheckpoint, type ModelEntry, type ModelId, type ModelSource } from "../model/index.ts";

const Text = v.pipe(v.string(), v.minLength(1));

/**
 * One value of `server_models.json` or `user_models.json`. Loose: fields that other programs write pass through untouched, and those
 * that only decorate may be missing.
 */
export const RegistryEntry = v.looseObject({
  checkpoint: v.optional(v.string()),
  /** Newer registries name several files instead, each as `repo:file`. How engines are launched with a draft model is not settled. */
  checkpoints: v.optional(v.looseObject({ main: v.optional(Text), mmproj: v.optional(v.string()) })),
  recipe: Text,
  suggested: v.optional(v.boolean()),
  labels: v.optional(v.array(v.string())),
  /** Gigabytes of 10^9 bytes. */
  size: v.optional(v.number()),
  mmproj: v.optional(v.string()),
  /** Another hub; in user entries `local_upload`. */
  source: v.optional(v.string()),
  /** Entries from before labels: its presence, whatever its value, means the label. */
  reasoning: v.optional(v.unknown()),
});
export type RegistryEntry = v.InferOutput<typeof RegistryEntry>;

export const LOCAL_UPLOAD = "local_upload";

interface EntryContext {
  readonly source: Extract<ModelSource, "registry" | "user">;
  /** What a missing `suggested` means: no for the registry, yes for models that a user added. */
  readonly isSuggestedByDefault: boolean;
}

/** The model that a registry value describes, or `undefined` when the value is not one. */
export function readRegistryEntry(id: string, value: unknown, { source, isSuggestedByDefault }: EntryContext): ModelEntry | undefined {
  const parsed = v.safeParse(RegistryEntry, value);
  if (!parsed.success) return undefined;
  const { checkpoint, checkpoints, recipe, suggested, labels = [], size, mmproj, source: hub, reasoning } = parsed.output;
  const main = checkpoint || checkpoints?.main;
  if (main === undefined) return undefined;
  const fileOf = (role: string | undefined): string | undefined =>
    role === undefined ? undefined : (splitCheckpoint(role).variant ?? role);
  return {
    id: id as ModelId,
    checkpoint: main,
    recipe,
    labels: reasoning !== undefined && !labels.includes("reasoning") ? [...labels, "reasoning"] : labels,
    source,
    suggested: suggested ?? isSuggestedByDefault,
    sizeBytes: size === undefined ? undefined : Math.round(size * 1e9),
    mmproj: mmproj || fileOf(checkpoints?.mmproj),
    hub: hub === LOCAL_UPLOAD || hub === "huggingface" ? undefined : hub,
  };
}
