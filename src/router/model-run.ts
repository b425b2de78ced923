import type { ModelEntry } from "../model/index.ts";

/** What a model does, or how it ended the last time it did something. */
export interface ModelRun {
  readonly entry: ModelEntry;
  /** `queued`: requests wait for a place for it. */
  readonly state: "unloaded" | "queued" | "loading" | "loaded" | "sleeping";
  /** The last command line of its engine; empty before the first. */
  readonly commandLine: readonly string[];
  /** The engine's own entry of the model while it runs, where it tells one. */
  readonly info?: Readonly<Record<string, unknown>> | undefined;
  /** Set when the last run ended by itself or never began. */
  readonly failure?: { readonly exitCode: number; readonly message: string } | undefined;
}
