import { errorMessage, RouterError } from "../../errors.ts";
import { importLater } from "../../platform/index.ts";
import type { LaunchRequest } from "../wrapped-server.ts";

export interface WorkerLaunch {
  /** The worker's arguments for a port on loopback. */
  readonly args: (port: number) => readonly string[];
  /** Options of the preset that the worker does not have. */
  readonly leftOut: readonly string[];
}

/** Requests that one engine answers at a time; further ones wait inside it. The number of llama-server. */
const PARALLEL_REQUESTS = 4;
/** What users may not change, in every spelling: we rely on it to reach the worker, or the load itself says it. */
const RESERVED = ["--engine", "--model", "-m", "--alias", "-a", "--host", "--port", "--api-key", "--ctx-size", "-c"];
const RESERVED_MODES = ["--embeddings", "--embedding", "--reranking", "--rerank"];

/**
 * The command line of the worker, less the program: ours, those of the preset, those of the user.
 * @throws {@link RouterError} `CONFIG_INVALID` for an argument of the user that it does not take; names it.
 */
export async function workerArguments(engine: string, request: LaunchRequest, seed: number | undefined): Promise<WorkerLaunch> {
  const { presetFlags = [], extraArgs } = request;
  const args = (port: number, further: readonly string[]): readonly string[] => {
    const managed = ["--engine", engine, "--model", request.files.model, "--alias", request.model];
    managed.push("--host", "127.0.0.1", "--port", String(port));
    managed.push("--ctx-size", String(request.contextTokens), "--parallel", String(PARALLEL_REQUESTS));
    if (request.kind === "embedding") managed.push("--embeddings");
    if (request.kind === "reranking") managed.push("--reranking");
    if (seed !== undefined) managed.push("--seed", String(seed));
    return [...managed, ...further];
  };
  if (presetFlags.length === 0 && extraArgs.length === 0) return { args: (port) => args(port, []), leftOut: [] };
  const { parseWorkerArguments, WORKER_FLAGS } = await importLater(() => import("./worker/arguments.ts"));
  // A preset is written for llama-server: the worker has some of its options.
  const isKnown = ([flag = ""]: readonly string[]) => WORKER_FLAGS.has(flag);
  const further = [...presetFlags.filter(isKnown).flat(), ...extraArgs];
  refuseReserved(extraArgs);
  try {
    parseWorkerArguments(args(0, further));
  } catch (error) {
    throw new RouterError("CONFIG_INVALID", `The embedded engine refuses its arguments: ${errorMessage(error).replace(/^error: /, "")}`, {
      hint: `It takes ${[...WORKER_FLAGS].filter((flag) => flag.startsWith("--") && !RESERVED.includes(flag)).join(", ")}.`,
      cause: error,
    });
  }
  return { args: (port) => args(port, further), leftOut: presetFlags.flatMap((group) => (isKnown(group) ? [] : group.slice(0, 1))) };
}

function refuseReserved(extraArgs: readonly string[]): void {
  const reserved = [...RESERVED, ...RESERVED_MODES];
  const taken = extraArgs.map((word) => word.split("=", 1)[0] ?? word).find((flag) => reserved.includes(flag));
  if (taken === undefined) return;
  throw new RouterError("CONFIG_INVALID", `The engine argument ${taken} is set by lemonade itself`, {
    hint: `Arguments that lemonade sets in this launch: ${reserved.join(", ")}.`,
  });
}
