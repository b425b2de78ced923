import { freemem, totalmem } from "node:os";
import type { Catalog, CatalogEntry } from "../catalog/index.ts";
import { RouterError } from "../errors.ts";
import { estimateMemory, type MemoryEstimate } from "../model/index.ts";
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
