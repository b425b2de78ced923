import { RouterError } from "../../errors.ts";
import type { LaunchRequest } from "../wrapped-server.ts";

export interface LaunchArgumentsOptions {
  readonly request: LaunchRequest;
  readonly port: number;
  /** Flags that the installed build knows; ours are dropped when it does not. */
  readonly flags: ReadonlySet<string>;
  /** Whether layers go to the GPU (`-ngl 99`) or stay on the CPU (`-ngl 0`). */
  readonly useGpu: boolean;
  readonly contextShift: boolean;
  readonly seed?: number | undefined;
}

/** Embedding inputs must fit one physical batch, so both batches and the context are at least this many tokens. */
const EMBEDDING_BATCH_TOKENS = 8192;

/**
 * llama-server gives each connection a thread for as long as it stays open, and keeps an idle one open for 5 s. Of a burst of new
 * connections only as many as it has threads are taken (8 by default; the pool that shall grow does not, when the burst is quicker
 * than the threads wake up): the others wait those 5 s. So there are more threads than connections that our side keeps open, which
 * are 64 (Bun's pool); 72 cost 1.5 MB more than 8.
 */
const HTTP_THREADS = 72;

/** The command line of llama-server as Lemonade launches it (order and values), plus the address and one alias. */
export function launchArguments(options: LaunchArgumentsOptions): string[] {
  const { request, port, flags, useGpu, contextShift, seed } = options;
  const isEmbedding = request.kind === "embedding";
  const contextTokens = isEmbedding ? Math.max(request.contextTokens, EMBEDDING_BATCH_TOKENS) : request.contextTokens;
  const batch = String(EMBEDDING_BATCH_TOKENS);
  const managed: (readonly string[])[] = [
    ["-m", request.files.model],
    ["--ctx-size", String(contextTokens)],
    ["--host", "127.0.0.1"],
    ["--port", String(port)],
    ["--alias", request.model],
  ];
  if (seed !== undefined) managed.push(["--seed", String(seed)]);
  if (request.files.mmproj !== undefined) {
    managed.push(["--mmproj", request.files.mmproj]);
    if (!useGpu) managed.push(["--no-mmproj-offload"]);
  }
  managed.push(["--jinja"]);
  if (contextShift) managed.push(["--context-shift"]);
  managed.push(["--keep", "16"], ["--reasoning-format", "auto"]);
  if (isEmbedding) managed.push(["--embeddings"], ["--batch-size", batch], ["--ubatch-size", batch]);
  if (request.kind === "reranking") managed.push(["--reranking"]);
  // The page of the engine costs memory and is ours to serve; it was called webui before 2026.
  managed.push(flags.has("--no-ui") ? ["--no-ui"] : ["--no-webui"]);
  managed.push(["-ngl", useGpu ? "99" : "0"]);
  if (!request.extraArgs.some((word) => word.startsWith("--threads-http"))) managed.push(["--threads-http", String(HTTP_THREADS)]);
  managed.push(["--log-jsonl"]); // Levels and sizes to read; older builds print texts only.
  const known = managed.filter(([flag]) => flag !== undefined && (flags.size === 0 || flags.has(flag)));
  // A second try without the GPU means it, whatever a preset says.
  const preset = (request.presetFlags ?? []).filter(([flag = ""]) => useGpu || !sameOption(flag, "-ngl"));
  const kept = known.filter(([flag = ""]) => !preset.some(([other = ""]) => sameOption(flag, other)));
  checkKnown(
    preset.map(([flag = ""]) => flag),
    flags,
  );
  checkExtraArguments(request.extraArgs, { managed: kept.map(([flag]) => flag ?? ""), flags });
  return [...kept.flat(), ...preset.flat(), ...request.extraArgs];
}

/** Other spellings of the flags we set ourselves: naming one of them would silently win over ours. */
const SPELLINGS: readonly (readonly string[])[] = [
  ["-m", "--model"],
  ["--ctx-size", "-c"],
  ["--alias", "-a"],
  ["--mmproj", "-mm"],
  ["--embeddings", "--embedding"],
  ["--reranking", "--rerank"],
  ["--batch-size", "-b"],
  ["--ubatch-size", "-ub"],
  ["-ngl", "--n-gpu-layers", "--gpu-layers"],
  ["--seed", "-s"],
  ["--jinja", "--no-jinja"],
  ["--context-shift", "--no-context-shift"],
  ["--mmproj-offload", "--no-mmproj-offload"],
  ["--no-ui", "--no-webui", "--ui", "--webui"],
];

function sameOption(flag: string, other: string): boolean {
  return flag === other || SPELLINGS.some((names) => names.includes(flag) && names.includes(other));
}

function checkKnown(words: readonly string[], flags: ReadonlySet<string>): void {
  const unknown = flags.size === 0 ? undefined : words.find((word) => !flags.has(word));
  if (unknown === undefined) return;
  throw new RouterError("CONFIG_INVALID", `The installed llama-server does not know the argument ${unknown}`, {
    hint: "`llama-server --help` lists what it knows; arguments differ between versions.",
  });
}

function checkExtraArguments(extra: readonly string[], known: { managed: readonly string[]; flags: ReadonlySet<string> }): void {
  const reserved = known.managed.flatMap((flag) => SPELLINGS.find((names) => names[0] === flag) ?? [flag]);
  for (const word of extra) {
    if (!/^--?[a-zA-Z]/.test(word)) continue;
    const [spelled = ""] = word.split("=", 1);
    const flag = spelled.startsWith("--") ? spelled.replaceAll("_", "-") : spelled; // As llama.cpp does before it looks.
    if (reserved.includes(flag)) {
      throw new RouterError("CONFIG_INVALID", `The engine argument ${flag} is set by lemonade itself`, {
        hint: `Arguments that lemonade sets in this launch: ${reserved.join(", ")}.`,
      });
    }
    checkKnown([flag], known.flags);
  }
}
