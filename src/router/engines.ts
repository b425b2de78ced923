import type { FlmProgram, InstallProgressListener, ReleaseVariant, WrappedServer } from "../backends/index.ts";
import type { Settings } from "../config/index.ts";
import type { RecipePlatform } from "../model/index.ts";
import { importLater, Lazy, type Log } from "../platform/index.ts";
import type { EngineName, EngineQuery } from "./engine-name.ts";
import type { EngineStatus } from "./engine-status.ts";
import type { MachineEngines } from "./machine-engines.ts";
import type { ReportOptions, SystemReport } from "./system-report.ts";

/** An engine in use. */
export interface RunningEngine {
  readonly model: string;
  readonly server: Pick<WrappedServer, "backend" | "commandLine">;
}

export interface EnginesOptions {
  readonly settings: Settings;
  readonly log: Log;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly flm: FlmProgram;
  /** What runs now. */
  readonly running: () => readonly RunningEngine[];
  /** Called when an engine may have come or gone. */
  readonly onChange: () => void;
}

export interface InstallOptions {
  /** Another version than the pinned one; it then stays until the next installation by hand. */
  readonly version?: string | undefined;
  /** Installs what is installed already once more. */
  readonly force?: boolean | undefined;
  readonly onProgress?: InstallProgressListener | undefined;
  /** Aborting ends the installation and removes what it has begun; a download goes on there the next time. */
  readonly signal: AbortSignal;
}

/** What an installation came to. */
export interface InstalledEngine {
  readonly name: EngineName;
  readonly version: string;
  readonly path: string;
  readonly wasInstalledAlready: boolean;
  /** Sentences for the user: it works, but not as hoped. */
  readonly warnings: readonly string[];
}

/** The engines of this machine: which there are, which could be, and how they come and go. */
export interface Engines extends AsyncDisposable {
  list(signal?: AbortSignal): Promise<readonly EngineStatus[]>;
  /** What the machine consists of, with its engines. */
  report(options?: ReportOptions): Promise<SystemReport>;
  /**
   * Installs an engine, or does nothing when it is here in the version asked for.
   * @throws {@link RouterError} `BACKEND_NOT_INSTALLED` where it does not exist for this machine, `INSTALL_FAILED`, `OFFLINE`, `INVALID_REQUEST`.
   */
  install(query: EngineQuery, options: InstallOptions): Promise<InstalledEngine>;
  /**
   * Removes an engine of which nothing runs.
   * @throws {@link RouterError} `BACKEND_IN_USE`, `BACKEND_NOT_INSTALLED`, `INVALID_REQUEST`.
   */
  uninstall(query: EngineQuery, signal: AbortSignal): Promise<EngineName>;
  /** Before a model starts: the pinned build of a variant is brought, unless the user chose another one. Progress goes to the log. */
  ensureLlamaCpp(variant: ReleaseVariant, signal: AbortSignal): Promise<void>;
  /** The same for FastFlowLM, with its driver. */
  ensureFlm(signal: AbortSignal): Promise<void>;
  /** Published variants that make use of this machine; undefined where the hardware does not answer within a few seconds. */
  usableVariants(): Promise<readonly string[] | undefined>;
  /** Whether an NPU answers. */
  hasNpu(): Promise<boolean>;
}

/** Makes the engines' keeper. Its code is loaded when somebody asks for engines: a server listens and serves without. */
export function createEngines(options: EnginesOptions): Engines {
  const engines = new Lazy(async () => {
    const { MachineEngines: Machine } = await importLater(() => import("./machine-engines.ts"));
    return new Machine(options);
  });
  const change = async <T>(work: (machine: MachineEngines) => Promise<T>): Promise<T> => {
    try {
      return await work(await engines.get());
    } finally {
      options.onChange();
    }
  };
  return {
    list: async (signal) => await (await engines.get()).list(signal),
    report: async (reportOptions = {}) => await (await engines.get()).report(reportOptions),
    install: async (query, installOptions) => await change((machine) => machine.install(query, installOptions)),
    uninstall: async (query, signal) => await change((machine) => machine.uninstall(query, signal)),
    ensureLlamaCpp: async (variant, signal) => await change((machine) => machine.ensureLlamaCpp(variant, signal)),
    ensureFlm: async (signal) => await change((machine) => machine.ensureFlm(signal)),
    usableVariants: async () => await (await engines.get()).usableVariants(),
    hasNpu: async () => await (await engines.get()).hasNpu(),
    async [Symbol.asyncDispose]() {
      await (await engines.made)?.[Symbol.asyncDispose]();
    },
  };
}

/** What decides which models this machine runs. Asked before the first request is served, so nothing is loaded that need not be. */
export async function recipePlatform(
  engines: Engines,
  { settings, flm }: Pick<EnginesOptions, "settings" | "flm">,
): Promise<RecipePlatform> {
  const platform = { os: process.platform, isFilterOff: settings.isModelFilterOff };
  if (settings.isNpuAssumed) return { ...platform, hasNpu: true };
  // On Windows we could install the program; elsewhere, without it, no question to the hardware is worth its time.
  if (process.platform !== "win32" && (await flm.find()) === undefined) return { ...platform, hasNpu: false };
  return { ...platform, hasNpu: await engines.hasNpu() };
}
