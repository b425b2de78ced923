import { parseHubCheckpoint } from "./checkpoint.ts";
import { ggufStem, isGgufPath, isServableGguf } from "./gguf-file-name.ts";
import type { ListedFile } from "./group-gguf-files.ts";
import type { ModelEntry } from "./model-entry.ts";
import type { ModelId } from "./model-id.ts";
import { selectComplete } from "./select-complete.ts";
import { pathsOfVariant, selectVariant } from "./select-variant.ts";

/** What a cache has of one commit of a repository. */
export interface SnapshotFiles {
  readonly commit: string;
  readonly files: readonly ListedFile[];
}

/** One file of one snapshot. */
export interface SnapshotFile {
  readonly commit: string;
  readonly path: string;
}

export interface Deletion {
  readonly files: readonly SnapshotFile[];
  /** Other models that need files of this one, which therefore stay. */
  readonly neededBy: readonly ModelId[];
}

/** Weights in the formats of other programs, which may use them from the same cache. */
const OTHER_WEIGHTS = /\.(?:safetensors|bin|onnx|onnx_data|data|pt|pth|ckpt|h5|msgpack|tflite|mlmodel)$/i;

/**
 * What deleting a model removes from every snapshot of its repository: its own files less those that other models need; with the last
 * model the small files that came along. A checkpoint without a variant, or of a recipe whose models are whole repositories, stands for
 * everything there.
 * @param others - Registered models of the same repository.
 */
export function deletableFiles(entry: ModelEntry, snapshots: readonly SnapshotFiles[], others: readonly ModelEntry[]): Deletion {
  const claims = claimsOf(entry, snapshots, others);
  const neededBy = new Set<ModelId>();
  const isFree = (commit: string, path: string, isOwn: boolean): boolean => {
    const claimants = claims.get(`${commit}/${path}`) ?? [];
    if (isOwn) for (const id of claimants) neededBy.add(id);
    return claimants.length === 0;
  };
  const plans = snapshots.map(({ commit, files }) => {
    const own = new Set(ownPaths(entry, files).filter((path) => isFree(commit, path, true)));
    const isLastModel = !files.some(({ path }) => isServableGguf(path) && !own.has(path));
    // Projectors and drafts are for the model beside them.
    if (isLastModel) for (const { path } of files) if (isGgufPath(path) && isFree(commit, path, false)) own.add(path);
    return { commit, files, own };
  });
  const isEmptied = plans.every(({ commit, files, own }) =>
    files.every(({ path }) => own.has(path) || (isCompanion(path) && isFree(commit, path, false))),
  );
  return {
    files: plans.flatMap(({ commit, files, own }) => {
      return files.filter(({ path }) => isEmptied || own.has(path)).map(({ path }) => ({ commit, path }));
    }),
    neededBy: [...neededBy],
  };
}

/** A small file at the root that came along with a model. */
const isCompanion = (path: string): boolean => !path.includes("/") && !isGgufPath(path) && !OTHER_WEIGHTS.test(path);

function ownPaths(entry: ModelEntry, files: readonly ListedFile[]): readonly string[] {
  const variant = parseHubCheckpoint(entry.checkpoint)?.variant;
  if (entry.recipe !== "llamacpp" || variant === undefined) return files.map(({ path }) => path);
  // Also of a model that is not whole any more.
  const choice = selectVariant(files, { variant });
  if (choice.kind !== "files" || !isNamedBy(variant, choice.files.primary)) return [];
  return pathsOfVariant(choice.files);
}

/** The hub knows `F16` from `BF16`; a cache that has only one of them must not lose it for the other. */
function isNamedBy(variant: string, path: string): boolean {
  const at = ggufStem(path).toLowerCase().lastIndexOf(variant.toLowerCase());
  return at <= 0 || !/[a-z0-9]/i.test(path[at - 1] ?? "");
}

/** Who needs which file. A registry's second name for the same model is nobody: it would be in the way of the first for ever. */
function claimsOf(
  entry: ModelEntry,
  snapshots: readonly SnapshotFiles[],
  others: readonly ModelEntry[],
): ReadonlyMap<string, readonly ModelId[]> {
  const claims = new Map<string, ModelId[]>();
  for (const { commit, files } of snapshots) {
    const own = new Set(ownPaths(entry, files));
    for (const other of others) {
      if (other.id === entry.id) continue;
      const needed = neededPaths(other, files);
      const isSameModel = needed[0] !== undefined && own.has(needed[0]) && other.recipe === entry.recipe;
      if (isSameModel && other.source === "registry") continue;
      for (const path of needed) claims.set(`${commit}/${path}`, [...(claims.get(`${commit}/${path}`) ?? []), other.id]);
    }
  }
  return claims;
}

/** The files of a model that is here as a whole, its first one first. */
function neededPaths(entry: ModelEntry, files: readonly ListedFile[]): readonly string[] {
  if (entry.recipe !== "llamacpp") return files.map(({ path }) => path);
  const variant = parseHubCheckpoint(entry.checkpoint)?.variant;
  const complete = selectComplete(files, { variant, mmproj: entry.mmproj });
  return complete ? pathsOfVariant(complete) : [];
}
