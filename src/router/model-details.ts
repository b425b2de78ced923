import { freemem, totalmem } from "node:os";
import type { Catalog, CatalogEntry, ModelInspection } from "../catalog/index.ts";
import { RouterError, type ErrorCode } from "../errors.ts";
import { estimateMemory, type MemoryEstimate, type ModelEntry } from "../model/index.ts";
import type { GgufFacts } from "../model/gguf/index.ts";
import type { ModelLibrary } from "./model-library.ts";

/** The files of a model, here or on the hub, and what they say. */
export interface ModelFacts {
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[];
  /** Undefined for files that no header describes. */
  readonly facts: GgufFacts | undefined;
  readonly projectorBytes: number;
}

/** The same with what the model needs on this machine. */
export interface ModelDetails extends ModelFacts {
  readonly contextTokens: number;
  readonly memory: MemoryEstimate | undefined;
  /** Main memory of this machine: all of it, and what is free now. */
  readonly totalBytes: number;
  readonly freeBytes: number;
}

/** Reads the headers of a model's files; those of a model that is not here on the hub, as far as that answers. */
export async function modelDetails(
  { catalog, library }: { readonly catalog: Catalog; readonly library: Pick<ModelLibrary, "inspect"> },
  entry: CatalogEntry,
  { contextTokens, signal }: { contextTokens: number; signal: AbortSignal },
): Promise<ModelDetails> {
  const here = await catalog.inspect(entry);
  const { files, facts, projectorBytes } = here ?? (await inspectElsewhere(library, entry, signal));
  const memory = facts && estimateMemory(facts, { contextTokens, projectorBytes });
  return { files, facts, projectorBytes, contextTokens, memory, totalBytes: totalmem(), freeBytes: freemem() };
}

async function inspectElsewhere(library: Pick<ModelLibrary, "inspect">, entry: CatalogEntry, signal: AbortSignal): Promise<ModelFacts> {
  // FastFlowLM keeps its models itself and says nothing about their files.
  if (entry.recipe === "flm") return NOTHING;
  const isOnHub = entry.source === "registry" || entry.source === "user" || entry.source === "hub-cache";
  if (!isOnHub) throw new RouterError("MODEL_NOT_DOWNLOADED", `The files of ${entry.id} are not on this disk`);
  try {
    return await library.inspect(entry, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof RouterError) || !CANNOT_ASK.has(error.code)) throw error;
    if (entry.isDownloaded) return NOTHING;
    const { message, hint } = error;
    throw new RouterError("MODEL_NOT_DOWNLOADED", `The files of ${entry.id} are not on this disk; ${message}`, { cause: error, hint });
  }
}

const NOTHING: ModelFacts = { files: [], facts: undefined, projectorBytes: 0 };
const CANNOT_ASK: ReadonlySet<string> = new Set<ErrorCode>(["HUB_UNREACHABLE", "HUB_RATE_LIMITED", "OFFLINE", "RECIPE_UNSUPPORTED"]);

/** An error about too little memory with the numbers: what the model needs, as far as its header tells, and what is free. */
export async function withMemoryNumbers(
  error: unknown,
  catalog: Catalog,
  options: { entry: ModelEntry; contextTokens: number },
): Promise<unknown> {
  if (!(error instanceof RouterError) || error.code !== "OUT_OF_MEMORY") return error;
  const inspection = await inspectOrNothing(catalog, options.entry);
  if (inspection === undefined) return error;
  const { weightsBytes, kvCacheBytes, totalBytes } = estimateMemory(inspection.facts, {
    contextTokens: options.contextTokens,
    projectorBytes: inspection.projectorBytes,
  });
  const needs = `It needs about ${gigabytes(totalBytes)} with a context of ${options.contextTokens} tokens (weights ${gigabytes(weightsBytes)}, KV cache ${gigabytes(kvCacheBytes)})`;
  const has = `${gigabytes(freemem())} of ${gigabytes(totalmem())} main memory are free`;
  return new RouterError(error.code, `${error.message}\n${needs}; ${has}`, { cause: error, hint: error.hint });
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}

async function inspectOrNothing(catalog: Catalog, entry: ModelEntry): Promise<ModelInspection | undefined> {
  try {
    return await catalog.inspect(entry);
  } catch {
    return undefined; // The numbers are a courtesy: the engine's own error stands without them.
  }
}
