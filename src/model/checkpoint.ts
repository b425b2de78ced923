/** What a checkpoint on the hub names: a repository and, for GGUF repositories, which of its files. */
export interface HubCheckpoint {
  /** `org/repo` */
  readonly repo: string;
  /** A quantisation, a folder, a file path ending in `.gguf`, or `*`; absent when the checkpoint names none. */
  readonly variant: string | undefined;
}

/** Splits at the first colon, without judging either half. FLM tags must not be split: their colon is part of the name. */
export function splitCheckpoint(checkpoint: string): HubCheckpoint {
  const colon = checkpoint.indexOf(":");
  if (colon < 0) return { repo: checkpoint, variant: undefined };
  return { repo: checkpoint.slice(0, colon), variant: checkpoint.slice(colon + 1) || undefined };
}

export function joinCheckpoint({ repo, variant }: HubCheckpoint): string {
  return variant === undefined ? repo : `${repo}:${variant}`;
}

// The hub's own rule for names: no leading or trailing `-` or `.`, no `--` (the cache folder's separator), no `..`, at most 96.
const REPO_NAME = /^(?![-.])(?!.*(?:--|\.\.))[\w.-]{1,96}(?<![-.])$/;

export function isRepoId(text: string): boolean {
  const parts = text.split("/");
  return parts.length === 2 && parts.every((part) => REPO_NAME.test(part)) && !text.endsWith(".git");
}

/** A file path inside a repository that stays inside it, on every system. */
export function isSafeRepoPath(path: string): boolean {
  // Control characters and backslashes are legal in no repository and would mean other things to a file system or a terminal.
  // oxlint-disable-next-line no-control-regex
  if (path === "" || /[\\\u0000-\u001F\u007F]/.test(path) || /^(?:\/|[A-Za-z]:)/.test(path)) return false;
  return path.split("/").every((segment) => segment !== "" && segment !== "." && segment !== "..");
}

/**
 * Reads `org/repo`, `org/repo:QUANT`, `org/repo:path/file.gguf`, the same behind `hf.co/` or `huggingface.co/`, and the address of a
 * repository or file page. `undefined` for anything that cannot name a repository.
 */
export function parseHubCheckpoint(text: string): HubCheckpoint | undefined {
  const bare = text.replace(/^(?:https?:\/\/)?(?:www\.)?(?:hf\.co|huggingface\.co)\//i, "");
  const page = /^(?<repo>[^/:]+\/[^/:]+)\/(?:blob|resolve)\/[^/]+\/(?<file>[^?#]+\.gguf)(?:[?#].*)?$/i.exec(bare)?.groups;
  const repo = page ? (page["repo"] ?? "") : splitCheckpoint(bare).repo.replace(/\/(?:tree\/main\/?)?$/, "");
  const variant = page ? page["file"] : splitCheckpoint(bare).variant;
  if (!isRepoId(repo) || (bare.includes(":") && variant === undefined)) return undefined;
  // Ollama's word for "no particular one".
  if (variant === undefined || variant === "latest") return { repo, variant: undefined };
  return isSafeRepoPath(variant) ? { repo, variant } : undefined;
}
