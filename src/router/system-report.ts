import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { embeddedEngineFolder, findEmbeddedEngine } from "../backends/index.ts";
import type { Settings } from "../config/index.ts";
import { importLater } from "../platform/index.ts";
import type { SystemFacts, SystemInfo } from "../platform/system-info/index.ts";

/** A build of llama.cpp that is here, or that could be. */
export interface LlamaCppReport {
  /** `vulkan`, `rocm`, `cuda`, `metal`, `cpu` or `from-source`. */
  readonly variant: string;
  /** Undefined when it is not installed. */
  readonly version: string | undefined;
  /** Whether it makes use of this machine, and why it does or does not. */
  readonly isUsable: boolean;
  readonly reason: string;
}

export interface EngineReports {
  readonly llamacpp: readonly LlamaCppReport[];
  /** Version of the embedded engine, when it is installed. */
  readonly embedded: string | undefined;
  /** Whether FastFlowLM's program is found. */
  readonly hasFlm: boolean;
}

/** What this machine consists of, and which engines are on it. */
export interface SystemReport {
  readonly facts: SystemFacts;
  readonly engines: EngineReports;
}

export interface ReportOptions {
  /** Waits a few seconds, if need be, until everything is known; otherwise the answer comes within 50 ms. */
  readonly complete?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A file system may be slow; nobody waits longer for it than for the hardware's facts. */
const ENGINES_WAIT_MS = 40;

const NO_ENGINES: EngineReports = { llamacpp: [], embedded: undefined, hasFlm: false };

/** Describes this machine to people and clients. Its parts are loaded by the first question. */
export class SystemReporter implements AsyncDisposable {
  readonly #settings: Settings;
  readonly #env: Readonly<Record<string, string | undefined>>;
  #info: Promise<SystemInfo> | undefined;
  #engines = NO_ENGINES;

  constructor({ settings, env }: { settings: Settings; env: Readonly<Record<string, string | undefined>> }) {
    this.#settings = settings;
    this.#env = env;
  }

  async report({ complete = false, signal }: ReportOptions = {}): Promise<SystemReport> {
    this.#info ??= this.#load();
    this.#info.catch(() => (this.#info = undefined));
    const info = await this.#info;
    const facts = complete ? info.complete({ signal }) : info.current();
    const engines = this.#listEngines(facts);
    if (complete) return { facts: await facts, engines: await engines };
    const { promise: late, resolve } = Promise.withResolvers<EngineReports>();
    const timer = setTimeout(() => resolve(this.#engines), ENGINES_WAIT_MS);
    try {
      return { facts: await facts, engines: await Promise.race([engines, late]) };
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#info)?.[Symbol.asyncDispose]();
  }

  async #load(): Promise<SystemInfo> {
    const { SystemInfo } = await importLater(() => import("../platform/system-info/index.ts"));
    const { cacheDir, isCi } = this.#settings;
    // Tests on borrowed machines shall not see what another machine left.
    return new SystemInfo({ env: this.#env, cacheFile: isCi ? undefined : join(cacheDir, "hardware_facts.json") });
  }

  async #listEngines(asked: Promise<SystemFacts>): Promise<EngineReports> {
    const { binDir } = this.#settings;
    const { listInstalledLlamaCpp, readReleaseTable, reportVariants } = await importLater(() => import("../backends/installers/index.ts"));
    const [facts, installed, embedded, hasFlm] = await Promise.all([
      asked,
      listInstalledLlamaCpp(binDir),
      findEmbeddedEngine(embeddedEngineFolder(binDir)),
      isOnPath(process.platform === "win32" ? "flm.exe" : "flm", this.#env["PATH"]),
    ]);
    const versions = new Map(installed.map(({ variant, tag }) => [variant, tag]));
    const published = reportVariants(facts, readReleaseTable()).map(({ variant, isUsable, reason }) => ({
      variant,
      version: versions.get(variant),
      isUsable,
      reason,
    }));
    const others = installed.filter(({ variant }) => published.every((report) => report.variant !== variant));
    const built = others.map(({ variant, tag }) => ({ variant, version: tag, isUsable: true, reason: "Made on this machine" }));
    this.#engines = { llamacpp: [...published, ...built], embedded: embedded?.version, hasFlm };
    return this.#engines;
  }
}

async function isOnPath(program: string, searchPath = ""): Promise<boolean> {
  const candidates = searchPath.split(delimiter).filter(Boolean);
  const found = await Promise.all(
    candidates.map(async (folder) =>
      access(join(folder, program), constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}
