import { RouterError } from "../errors.ts";
import { formatBytes } from "./format-bytes.ts";
import { ggufStem, isGgufPath, isProjectorName, isServableGguf, parseShardName, quantTag, shardPaths } from "./gguf-file-name.ts";
import { groupGgufFiles, type ListedFile } from "./group-gguf-files.ts";

/** The files of one variant, as paths inside the repository. */
export interface VariantFiles {
  /** The file that the engine is given: the whole model or its first shard. */
  readonly primary: string;
  /** All files of a split model, sorted, the primary among them; empty for a model in one file. */
  readonly shards: readonly string[];
  readonly mmproj?: string | undefined;
}

/** One choice that a repository offers. */
export interface VariantOffer {
  /** What to write after the colon. */
  readonly variant: string;
  readonly files: readonly string[];
  readonly sizeBytes: number;
}

export type VariantChoice =
  | { readonly kind: "files"; readonly files: VariantFiles }
  | { readonly kind: "missing" | "ambiguous"; readonly what: string };

export interface VariantQuery {
  /** The part of the checkpoint after its first colon. */
  readonly variant: string | undefined;
  /** Exact path of the projector that belongs to the model. */
  readonly mmproj?: string | undefined;
}

/** Small files that programs beside the engine read, fetched along where a repository has them at its root. */
export const COMPANION_FILES: readonly string[] = ["config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model"];

/** Every path that a variant consists of, each once. */
export function pathsOfVariant({ primary, shards, mmproj }: VariantFiles): readonly string[] {
  return [...new Set([primary, ...shards, ...(mmproj === undefined ? [] : [mmproj])])];
}

/**
 * Chooses the files of a variant from a repository's file list. The first rule that applies decides: `*` is every GGUF file; a path
 * ending in `.gguf` is that file; no variant is the first GGUF file in listing order; other text is the one file whose name ends in
 * it, whatever the case, or else the folder of that name, or else the split model whose name ends in it.
 */
export function selectVariant(files: readonly ListedFile[], { variant, mmproj }: VariantQuery): VariantChoice {
  const choice = selectModel(
    files.map((file) => file.path).filter((path) => isGgufPath(path)),
    variant,
  );
  if (choice.kind !== "files" || mmproj === undefined || mmproj === "") return choice;
  if (!files.some((file) => file.path === mmproj)) return { kind: "missing", what: `the projector ${mmproj}` };
  return { kind: "files", files: { ...choice.files, mmproj } };
}

function selectModel(paths: readonly string[], variant: string | undefined): VariantChoice {
  const models = paths.filter((path) => !isProjectorName(path));
  if (variant === "*") return several(paths.toSorted(), "a GGUF file");
  if (variant === undefined) {
    const first = models[0];
    return first === undefined ? { kind: "missing", what: "a GGUF file" } : one(first, paths);
  }
  if (isGgufPath(variant)) return paths.includes(variant) ? one(variant, paths) : { kind: "missing", what: `the file ${variant}` };

  const wanted = variant.toLowerCase();
  const [match, ...others] = models.filter((path) => path.toLowerCase().endsWith(`${wanted}.gguf`));
  if (match !== undefined && others.length > 0) return { kind: "ambiguous", what: variant };
  if (match !== undefined) return one(match, paths);
  const inFolder = paths.filter((path) => path.toLowerCase().startsWith(`${wanted}/`));
  if (inFolder.length > 0) return several(inFolder.toSorted(), variant);
  // Older repositories keep shards beside the other files: no name ends in the variant, and there is no folder.
  const stems = new Set(models.filter((path) => parseShardName(path)).map((path) => ggufStem(path)));
  const [stem, ...otherStems] = [...stems].filter((candidate) => candidate.toLowerCase().endsWith(wanted));
  if (stem === undefined) return { kind: "missing", what: `the variant ${variant}` };
  if (otherStems.length > 0) return { kind: "ambiguous", what: variant };
  return several(models.filter((path) => ggufStem(path) === stem).toSorted(), variant);
}

/** One file; when it is a shard, its siblings come along, because no engine can use it without them. */
function one(path: string, paths: readonly string[]): VariantChoice {
  if (!parseShardName(path)) return { kind: "files", files: { primary: path, shards: [] } };
  const siblings = shardPaths(path).filter((sibling) => paths.includes(sibling));
  return { kind: "files", files: { primary: siblings[0] ?? path, shards: siblings } };
}

function several(sorted: readonly string[], what: string): VariantChoice {
  // The first that can be served: a projector may sort before the model.
  const primary = sorted.find((path) => isServableGguf(path)) ?? sorted[0];
  return primary === undefined ? { kind: "missing", what } : { kind: "files", files: { primary, shards: sorted } };
}

/** What a repository offers, with a name for each that selects exactly it. Whoever has grouped its files already says so. */
export function listVariants(files: readonly ListedFile[], { models } = groupGgufFiles(files)): readonly VariantOffer[] {
  return models.map((group) => {
    const tag = quantTag(group.first);
    const choice = tag === undefined ? undefined : selectVariant(files, { variant: tag });
    const isSelected = choice?.kind === "files" && choice.files.primary === group.first && choice.files.shards.length <= group.files.length;
    return {
      variant: isSelected && tag !== undefined ? tag : group.first,
      files: group.files.map((file) => file.path),
      sizeBytes: group.sizeBytes,
    };
  });
}

/**
 * As `selectVariant`, for callers that cannot go on without the files.
 * @throws {@link RouterError} `VARIANT_NOT_FOUND` or `VARIANT_AMBIGUOUS`, listing what the repository offers.
 */
export function requireVariant(repo: string, files: readonly ListedFile[], query: VariantQuery): VariantFiles {
  const choice = selectVariant(files, query);
  if (choice.kind === "files") return choice.files;
  const offers = listVariants(files);
  const hint = hintOf(repo, offers);
  if (choice.kind === "ambiguous") {
    const wanted = choice.what.toLowerCase();
    const matching = offers.filter(({ files: [path = ""] }) => ggufStem(path).toLowerCase().endsWith(wanted));
    throw new RouterError("VARIANT_AMBIGUOUS", `${repo} has several files that match ${choice.what}`, { hint: hintOf(repo, matching) });
  }
  if (offers.length === 0 && !isProjectorQuery(choice.what)) {
    throw new RouterError("VARIANT_NOT_FOUND", `${repo} holds no .gguf files`, { hint });
  }
  const projectors = groupGgufFiles(files).projectors.map((file) => file.path);
  throw new RouterError("VARIANT_NOT_FOUND", `${repo} does not have ${choice.what}`, {
    hint: isProjectorQuery(choice.what) ? `Its projectors: ${projectors.join(", ") || "none"}.` : hint,
  });
}

function hintOf(repo: string, offers: readonly VariantOffer[]): string {
  const [first] = offers;
  if (first === undefined) return "Look for a repository that holds GGUF files.";
  const listed = offers.map(({ variant, sizeBytes }) => `${variant}${sizeBytes > 0 ? ` (${formatBytes(sizeBytes)})` : ""}`).join(", ");
  return `Choose one of: ${listed}; for example ${repo}:${first.variant}`;
}

/**
 * No engine runs a split model without all of its shards.
 * @throws {@link RouterError} `VARIANT_NOT_FOUND`, naming those that the repository lacks.
 */
export function requireWhole(repo: string, files: readonly ListedFile[], chosen: readonly string[]): void {
  const there = new Set(files.map(({ path }) => path));
  const missing = new Set(chosen.flatMap(shardPaths).filter((path) => !there.has(path)));
  if (missing.size === 0) return;
  throw new RouterError("VARIANT_NOT_FOUND", `${repo} lacks a part of this model: ${[...missing].join(", ")}`, {
    hint: "Choose another variant, or ask who has uploaded it for the missing files.",
  });
}

const isProjectorQuery = (what: string): boolean => what.startsWith("the projector ");
