/** `model-00001-of-00003.gguf`: the naming of llama.cpp's split files; the first shard leads, the others are found by name. */
const SHARD_NAME = /^(?<stem>.*)-(?<index>\d{5})-of-(?<count>\d{5})(?<extension>\.gguf)$/i;

export interface ShardName {
  /** Path up to the shard suffix; equal for all shards of one model. */
  readonly stem: string;
  readonly index: number;
  readonly count: number;
}

/** What a shard's name says, or `undefined` for a file that is whole by itself. */
export function parseShardName(path: string): ShardName | undefined {
  const groups = SHARD_NAME.exec(path)?.groups;
  if (!groups) return undefined;
  const index = Number(groups["index"]);
  const count = Number(groups["count"]);
  // `-00004-of-00003` and `-00000-of-00000` are names like any other.
  return index >= 1 && index <= count ? { stem: groups["stem"] ?? "", index, count } : undefined;
}

/** The paths of all shards that belong to the file at `path`, first shard first; the path alone when it is not a shard. */
export function shardPaths(path: string): readonly string[] {
  const shard = parseShardName(path);
  if (!shard) return [path];
  const extension = path.slice(path.lastIndexOf("."));
  const padded = (n: number): string => String(n).padStart(5, "0");
  return Array.from({ length: shard.count }, (_, i) => `${shard.stem}-${padded(i + 1)}-of-${padded(shard.count)}${extension}`);
}

/** The path without `.gguf` and without the shard suffix. */
export function ggufStem(path: string): string {
  return parseShardName(path)?.stem ?? path.replace(/\.gguf$/i, "");
}

export const fileNameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

export const isGgufPath = (path: string): boolean => /\.gguf$/i.test(path);

/** Multimodal projectors carry `mmproj` in their name or their folder's inside a repository, by convention of every converter. */
export const isProjectorName = (path: string): boolean => path.toLowerCase().includes("mmproj");

/** Draft models for speculative decoding and importance matrices lie beside models but cannot be served. */
export const isCompanionName = (path: string): boolean => /^(?:mtp-|dspark-|dflash-|eagle3-)|imatrix/i.test(fileNameOf(path));

/** A GGUF file that can be served by itself. Names starting with a dot are macOS metadata or unfinished copies. */
export const isServableGguf = (path: string): boolean =>
  isGgufPath(path) && !fileNameOf(path).startsWith(".") && !isProjectorName(path) && !isCompanionName(path);

/**
 * The quantisation that ends a file name, in capitals: `Q4_K_M` of `Qwen3-0.6B-Q4_K_M.gguf`, `UD-Q4_K_XL` where the name says so.
 * The last piece after `-` or `.`, made of letters, digits and underscores, as llama-server names cached models.
 */
export function quantTag(path: string): string | undefined {
  const groups = /[-.](?<tag>(?:UD-)?[A-Z0-9_]+)$/i.exec(fileNameOf(ggufStem(path)))?.groups;
  return groups?.["tag"]?.toUpperCase();
}
