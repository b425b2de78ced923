import type { EngineReport, LoadProgress } from "../backends/index.ts";
import { InstanceExitedError, RouterError } from "../errors.ts";
import type { ModelEntry, ModelEvent } from "../model/index.ts";
import type { Instance } from "./instance.ts";
import type { ModelRun } from "./model-run.ts";

export interface RunFailure {
  readonly exitCode: number;
  readonly message: string;
}

/** A model whose last run ended by itself or never began. */
export interface FailedRun {
  readonly entry: ModelEntry;
  readonly atMs: number;
  readonly message: string;
}

/** What is left of an engine that is gone. */
interface PastRun {
  readonly entry: ModelEntry;
  readonly endedMs: number;
  readonly commandLine: readonly string[];
  readonly failure: RunFailure | undefined;
}

/** A process that a signal ended has no exit code; llama.cpp's router says 1, and so do we of one that never started. */
const NO_EXIT_CODE = 1;

/** Tells every change of an instance as an event, and remembers how the last run of each model ended. Decides nothing. */
export class RunHistory {
  readonly #emit: (event: ModelEvent) => void;
  readonly #past = new Map<string, PastRun>();

  constructor(emit: (event: ModelEvent) => void) {
    this.#emit = emit;
  }

  began({ model }: Instance): void {
    this.#emit({ kind: "loading", model });
  }

  progressed(instance: Instance, progress: LoadProgress): void {
    instance.progress = progress;
    this.#emit({ kind: "progress", model: instance.model, progress });
  }

  /** An engine reports that it is ready a moment before the loop knows; later the same report says that it woke up. */
  reported(instance: Instance, report: EngineReport): void {
    if (report.kind === "ready") instance.info = report.info ?? instance.info;
    if (instance.state === "loading") return;
    instance.isAsleep = report.kind === "sleeping";
    this.#emit({ kind: instance.isAsleep ? "sleeping" : "loaded", model: instance.model });
  }

  loaded({ model, info }: Instance): void {
    this.#emit({ kind: "loaded", model, info });
  }

  ended(instance: Instance, failure?: RunFailure): void {
    const { entry, prepared } = instance;
    this.#past.set(entry.id, { entry, endedMs: Date.now(), commandLine: prepared?.commandLine ?? [], failure });
    this.#emit({ kind: "unloaded", model: instance.model, exitCode: failure?.exitCode ?? 0 });
  }

  /** A load that was not even begun: it is told as one that failed at once. */
  refused(entry: ModelEntry, failure: RunFailure): void {
    const model = entry.id;
    this.#past.set(model, { entry, endedMs: Date.now(), commandLine: this.#past.get(model)?.commandLine ?? [], failure });
    this.#emit({ kind: "loading", model });
    this.#emit({ kind: "unloaded", model, exitCode: failure.exitCode });
  }

  /** Forgets how the last runs ended, not with which arguments. */
  forgive(): void {
    for (const [model, run] of this.#past) this.#past.set(model, { ...run, failure: undefined });
  }

  failed(): readonly FailedRun[] {
    return [...this.#past.values()].flatMap(({ entry, endedMs, failure }) =>
      failure === undefined ? [] : [{ entry, atMs: endedMs, message: failure.message }],
    );
  }

  /** What a model does now, given its instance, or how it last ended. */
  runOf(entry: ModelEntry, { instance, isWaitedFor }: { instance: Instance | undefined; isWaitedFor: boolean }): ModelRun {
    const past = this.#past.get(entry.id);
    const commandLine = instance?.prepared?.commandLine ?? past?.commandLine ?? [];
    if (instance === undefined) {
      return { entry, commandLine, state: isWaitedFor ? "queued" : "unloaded", failure: isWaitedFor ? undefined : past?.failure };
    }
    const { state, isAsleep, info } = instance;
    return { entry, commandLine, info, state: state === "loading" ? "loading" : isAsleep ? "sleeping" : "loaded" };
  }
}

/** The exit code behind a load that failed. */
export function failureOf(error: unknown): RunFailure {
  const message = error instanceof Error ? error.message : String(error);
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof InstanceExitedError) return { exitCode: cause.exitCode ?? NO_EXIT_CODE, message };
  }
  return { exitCode: NO_EXIT_CODE, message };
}

/** Whether a load failed because the engine ended by itself, for another reason than memory. */
export function hasExited(error: unknown): boolean {
  return error instanceof RouterError && error.code === "MODEL_LOAD_FAILED" && error.cause instanceof InstanceExitedError;
}

/** The end of an engine that nobody asked to go. */
export function unexpectedExit(code: number | null, message: string): RunFailure {
  return { exitCode: code === null || code === 0 ? NO_EXIT_CODE : code, message };
}
