import {
  fileNameOf,
  ggufStem,
  isGgufPath,
  isProjectorName,
  isServableGguf,
  parseShardName,
  quantTag,
  shardPaths,
} from "./gguf-file-name.ts";

/** One file of a folder or repository; the path uses `/` and is relative to it. */
export interface ListedFile {
  readonly path: string;
  readonly sizeBytes: number;
}

/** One model among the files: a whole file, or all the shards of a split one. */
export interface GgufGroup {
  /** Path without `.gguf` and shard suffix. */
  readonly stem: string;
  /** Path of the whole file or of the first shard; the latter may be missing. */
  readonly first: string;
  /** The files that are there, shards in order. */
  readonly files: readonly ListedFile[];
  /** Paths of shards that the names promise and the folder lacks. */
  readonly missing: readonly string[];
  /** Sum over the files that are there. */
  readonly sizeBytes: number;
}

export interface GroupedFiles {
  /** In order of their first path. */
  readonly models: readonly GgufGroup[];
  readonly projectors: readonly ListedFile[];
}

// Code-unit order: the same on every machine, unlike a locale's.
const byPath = (a: { readonly path: string }, b: { readonly path: string }): number => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0);

/** Sorts files into models, with their shards together, and projectors; anything else is left out. */
export function groupGgufFiles(files: readonly ListedFile[]): GroupedFiles {
  const groups = new Map<string, ListedFile[]>();
  const projectors: ListedFile[] = [];
  for (const file of files.toSorted(byPath)) {
    if (isServableGguf(file.path)) {
      // Shards of one model agree in stem and count; the same stem with another count is another upload.
      const key = shardPaths(file.path)[0] ?? file.path;
      const group = groups.get(key);
      if (group) group.push(file);
      else groups.set(key, [file]);
    } else if (isGgufPath(file.path) && isProjectorName(file.path) && !fileNameOf(file.path).startsWith(".")) {
      projectors.push(file);
    }
  }
  const models = [...groups].map(([first, present]): GgufGroup => {
    const here = new Set(present.map((file) => file.path));
    return {
      stem: ggufStem(first),
      first,
      files: present,
      missing: shardPaths(first).filter((path) => !here.has(path)),
      sizeBytes: present.reduce((sum, file) => sum + file.sizeBytes, 0),
    };
  });
  return { models, projectors };
}

/** The model that a folder holding only one model's files stands for: a split one before whole ones, else the first by name. */
export function leadingModel(models: readonly GgufGroup[]): GgufGroup | undefined {
  return models.find((model) => parseShardName(model.first) !== undefined) ?? models[0];
}

// Half precision loses nothing that matters in a projector and runs everywhere; BF16 is slow on many GPUs.
const PROJECTOR_PREFERENCE = ["F16", "BF16", "Q8_0", "F32"];

function preferredProjector(projectors: readonly ListedFile[]): ListedFile | undefined {
  const rank = (file: ListedFile): number => {
    const at = PROJECTOR_PREFERENCE.indexOf(quantTag(file.path) ?? "");
    return at < 0 ? PROJECTOR_PREFERENCE.length : at;
  };
  return projectors.toSorted((a, b) => rank(a) - rank(b) || byPath(a, b))[0];
}

/** The bare model name in a file name: lower case, without quantisation and the word `mmproj`. */
function bareName(path: string): string {
  let name = fileNameOf(ggufStem(path)).toLowerCase();
  name = name.replace(/[-_.]?mmproj[-_.]?(?:model[-_.]?)?/, (_, offset: number) => (offset === 0 ? "" : "-"));
  return name.replace(/[-_.]+$/, "").replace(/(?:^|[-_.])(?:ud-)?(?:i?q\d\w*|bf16|f16|f32|fp16|mxfp4\w*)$/, "");
}

/**
 * The projector of a model in a folder that holds several unrelated models: one whose name carries the model's name. A nameless
 * one (`mmproj-F16.gguf`) belongs to the only model there is; with several models it could belong to any, so to none.
 */
export function projectorOf(model: GgufGroup, { models, projectors }: GroupedFiles): ListedFile | undefined {
  const name = bareName(model.first);
  const named = projectors.filter((file) => bareName(file.path) === name);
  if (named.length > 0) return preferredProjector(named);
  return models.length === 1 ? preferredProjector(projectors.filter((file) => bareName(file.path) === "")) : undefined;
}

/** The projector of a folder or repository that holds one model in several quantisations: all its projectors fit. */
export function projectorOfFolder({ projectors }: GroupedFiles): ListedFile | undefined {
  return preferredProjector(projectors);
}
