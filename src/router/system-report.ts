import type { SystemFacts, SystemInfo } from "../platform/system-info/index.ts";
import { describeEngines, type EngineStatus, type EngineStatusParts } from "./engine-status.ts";

/** What this machine consists of, and which engines are on it. */
export interface SystemReport {
  readonly facts: SystemFacts;
  readonly engines: readonly EngineStatus[];
}

export interface ReportOptions {
  /** Waits a few seconds, if need be, until everything is known; otherwise the answer comes within 50 ms. */
  readonly complete?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A file system may be slow; nobody waits longer for it than for the hardware's facts. */
const ENGINES_WAIT_MS = 40;

/** Describes this machine to people and clients. */
export class SystemReporter {
  readonly #info: SystemInfo;
  readonly #parts: Pick<EngineStatusParts, "settings" | "flm" | "env">;
  #engines: readonly EngineStatus[] = [];

  constructor(info: SystemInfo, parts: Pick<EngineStatusParts, "settings" | "flm" | "env">) {
    this.#info = info;
    this.#parts = parts;
  }

  async report({ complete = false, signal }: ReportOptions = {}): Promise<SystemReport> {
    const facts = complete ? this.#info.complete({ signal }) : this.#info.current();
    const engines = this.#listEngines(facts, complete);
    if (complete) return { facts: await facts, engines: await engines };
    const { promise: late, resolve } = Promise.withResolvers<readonly EngineStatus[]>();
    const timer = setTimeout(() => resolve(this.#engines), ENGINES_WAIT_MS);
    try {
      return { facts: await facts, engines: await Promise.race([engines, late]) };
    } finally {
      clearTimeout(timer);
    }
  }

  async #listEngines(facts: Promise<SystemFacts>, isPatient: boolean): Promise<readonly EngineStatus[]> {
    this.#engines = await describeEngines({ ...this.#parts, facts: await facts, isPatient });
    return this.#engines;
  }
}
