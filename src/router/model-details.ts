import { freemem, totalmem } from "node:os";
import type { Catalog, CatalogEntry, ModelInspection } from "../catalog/index.ts";
import { RouterError } from "../errors.ts";
import { estimateMemory, type MemoryEstimate, type ModelEntry } from "../model/index.ts";
import type { GgufFacts } from "../model/gguf/index.ts";

/** What the files of a model say, and what it needs on this machine. */
export interface ModelDetails {
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[];
  readonly facts: GgufFacts;
  readonly contextTokens: number;
  readonly memory: MemoryEstimate;
  /** Main memory of this machine: all of it, and what is free now. */
  readonly totalBytes: number;
  readonly freeBytes: number;
}

/** Reads the headers of a model's files; rejects with MODEL_NOT_DOWNLOADED when they are not here. */
export async function modelDetails(
  catalog: Catalog,
  entry: CatalogEntry,
  { contextTokens }: { contextTokens: number },
): Promise<ModelDetails> {
  const inspection = await catalog.inspect(entry);
  if (inspection === undefined) {
    throw new RouterError("MODEL_NOT_DOWNLOADED", `The files of ${entry.id} are not on this disk`, {
      hint: `Fetch them: lemonade pull ${entry.id}`,
    });
  }
  const { files, facts } = inspection;
  const memory = estimateMemory(facts, { contextTokens });
  return { files, facts, contextTokens, memory, totalBytes: totalmem(), freeBytes: freemem() };
}

/** An error about too little memory with the numbers: what the model needs, as far as its header tells, and what is free. */
export async function withMemoryNumbers(
  error: unknown,
  catalog: Catalog,
  options: { entry: ModelEntry; contextTokens: number },
): Promise<unknown> {
  if (!(error instanceof RouterError) || error.code !== "OUT_OF_MEMORY") return error;
  const inspection = await inspectOrNothing(catalog, options.entry);
  if (inspection === undefined) return error;
  const { weightsBytes, kvCacheBytes, totalBytes } = estimateMemory(inspection.facts, { contextTokens: options.contextTokens });
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
