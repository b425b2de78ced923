import { shardPaths } from "./gguf-file-name.ts";
import { groupGgufFiles, type ListedFile } from "./group-gguf-files.ts";
import { selectVariant, type VariantFiles, type VariantQuery } from "./select-variant.ts";

/**
 * The files of a variant among those on this disk, when all of them are there; `undefined` otherwise. Needs no network: that a split
 * model is complete shows in its shards' names. Without a variant, whichever complete model is there will do, because the one that
 * the hub lists first is not known here.
 */
export function selectComplete(files: readonly ListedFile[], query: VariantQuery): VariantFiles | undefined {
  const { variant } = query;
  const here = new Set(files.map((file) => file.path));
  const isComplete = (path: string): boolean => shardPaths(path).every((shard) => here.has(shard));
  // With no variant, incomplete models are out of the question; with `*`, one incomplete model means that the set is.
  const candidates = variant === undefined ? files.filter((file) => isComplete(file.path)) : files;
  if (variant === "*" && groupGgufFiles(files).models.some((model) => model.missing.length > 0)) return undefined;
  const choice = selectVariant(candidates, query);
  if (choice.kind !== "files") return undefined;
  return isComplete(choice.files.primary) ? choice.files : undefined;
}
