import type { LoadOptions } from "../config/index.ts";
import { kindOfLabels, type ModelEntry, type ModelKind } from "../model/index.ts";
import { residentBytes } from "../platform/index.ts";
import type { Instance } from "./instance.ts";
import type { FailedRun } from "./run-history.ts";

/** One model that has an engine, or whose last one failed; for people and clients. */
export interface ModelStatus {
  readonly model: string;
  readonly checkpoint: string;
  readonly recipe: string;
  readonly kind: ModelKind;
  readonly state: "loading" | "ready" | "busy" | "draining" | "stopping" | "failed";
  readonly backend: string | undefined;
  readonly pid: number | undefined;
  readonly baseUrl: string | undefined;
  readonly inFlight: number;
  /** What is being loaded, in the engine's words, and 0 to 1 of it, where the engine tells. */
  readonly loadStage: string | undefined;
  readonly loadFraction: number | undefined;
  readonly lastUsedMs: number;
  /** How it was loaded, the context always named; nothing when it is not running. */
  readonly options: LoadOptions;
  /** Main memory that the engine holds now, where the system tells. */
  readonly memoryBytes: number | undefined;
  /** Context of one conversation, in tokens, once it is known. */
  readonly contextTokens: number | undefined;
  /** Memory of GPUs that the model takes, by device; undefined when the engine does not tell. */
  readonly deviceBytes: Readonly<Record<string, number>> | undefined;
  /** Remarks for the user: that the CPU serves instead of the GPU, why the engine failed. */
  readonly notes: readonly string[];
}

export function statusOf(instance: Instance, contextTokensOf: (entry: ModelEntry, options: LoadOptions) => number): ModelStatus {
  const { entry, kind, state, server, inFlight, progress, lastUsedMs, options } = instance;
  const isLoading = state === "loading";
  return {
    ...factsOf(entry, kind),
    state: state === "ready" && inFlight > 0 ? "busy" : state,
    backend: server?.backend,
    pid: server?.pid,
    baseUrl: server?.baseUrl,
    inFlight,
    loadStage: isLoading ? progress?.stage : undefined,
    loadFraction: isLoading ? progress?.fraction : undefined,
    lastUsedMs,
    options: { ...options, contextTokens: contextTokensOf(entry, options) },
    memoryBytes: server?.pid === undefined ? undefined : residentBytes(server.pid),
    contextTokens: server?.telemetry.contextTokens,
    deviceBytes: server?.telemetry.deviceBytes,
    notes: server?.notes ?? [],
  };
}

/** The status of a model whose last run ended by itself or never began. The cause goes without the engine's output: that is long. */
export function failedStatus({ entry, atMs, message }: FailedRun): ModelStatus {
  return {
    ...factsOf(entry, kindOfLabels(entry.labels)),
    state: "failed",
    backend: undefined,
    pid: undefined,
    baseUrl: undefined,
    inFlight: 0,
    loadStage: undefined,
    loadFraction: undefined,
    lastUsedMs: atMs,
    options: {},
    memoryBytes: undefined,
    contextTokens: undefined,
    deviceBytes: undefined,
    notes: [message.split("\n", 1)[0] ?? ""],
  };
}

function factsOf({ id, checkpoint, recipe }: ModelEntry, kind: ModelKind): Pick<ModelStatus, "model" | "checkpoint" | "recipe" | "kind"> {
  return { model: id, checkpoint, recipe, kind };
}
