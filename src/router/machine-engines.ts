import { join } from "node:path";
import { checkNpuDriver, childEnvironment, logProgress, offlineError, type DownloadFile, type ReleaseVariant } from "../backends/index.ts";
import { embeddedEngineFolder, findEmbeddedEngine, installEmbeddedEngine, uninstallEmbeddedEngine } from "../backends/engines/index.ts";
import {
  buildLlamaCppFromSource,
  chooseDefaultVariant,
  installFlm,
  installLlamaCppRelease,
  listInstalledLlamaCpp,
  readReleaseTable,
  reportVariants,
  uninstallLlamaCpp,
} from "../backends/installers/index.ts";
import { RouterError } from "../errors.ts";
import { SystemInfo, type SystemFacts } from "../platform/system-info/index.ts";
import { formatEngineName, type EngineName, type EngineQuery } from "./engine-name.ts";
import type { EngineStatus } from "./engine-status.ts";
import type { Engines, EnginesOptions, InstalledEngine, InstallOptions } from "./engines.ts";
import { SystemReporter, type ReportOptions, type SystemReport } from "./system-report.ts";
import { importLater } from "../platform/index.ts";

/** On the first start ever a model waits for facts that choose its build: tools of GPU vendors take up to a second. */
const FIRST_FACTS_MS = 3000;

/** Everything that engines do, with the code that it takes. Loaded by `createEngines` at the first question that needs it. */
export class MachineEngines implements Engines {
  readonly #options: EnginesOptions;
  readonly #info: SystemInfo;
  readonly #reporter: SystemReporter;

  constructor(options: EnginesOptions) {
    const { env, settings, flm } = options;
    this.#options = options;
    // Tests on borrowed machines shall not see what another machine left.
    this.#info = new SystemInfo({ env, cacheFile: settings.isCi ? undefined : join(settings.cacheDir, "hardware_facts.json") });
    this.#reporter = new SystemReporter(this.#info, { settings, flm, env: childEnvironment(env) });
  }

  async list(signal?: AbortSignal): Promise<readonly EngineStatus[]> {
    return (await this.report({ complete: true, signal })).engines;
  }

  async report(options: ReportOptions): Promise<SystemReport> {
    return await this.#reporter.report(options);
  }

  async install(query: EngineQuery, options: InstallOptions): Promise<InstalledEngine> {
    const name = await this.#nameOf(query, options.signal);
    if (options.version !== undefined && !/^[\w.-]+$/.test(options.version)) {
      throw new RouterError("INVALID_REQUEST", `${JSON.stringify(options.version)} is no version`);
    }
    if (name.backend === "flm") return await this.#installFlm(options);
    if (name.variant !== undefined && name.variant !== "from-source") return await this.#installRelease(name.variant, options);
    if (options.version !== undefined) {
      throw new RouterError("INVALID_REQUEST", `${formatEngineName(name)} comes in one version, so none can be chosen`);
    }
    return name.backend === "embedded" ? await this.#installEmbedded(options) : await this.#buildFromSource(options);
  }

  async uninstall(query: EngineQuery, signal: AbortSignal): Promise<EngineName> {
    const { binDir } = this.#options.settings;
    const name = await this.#installedName(query);
    if (name.backend === "flm") {
      throw new RouterError("INVALID_REQUEST", "FastFlowLM has an uninstaller of its own", {
        hint: "Remove it among the apps of Windows.",
      });
    }
    this.#requireIdle(name);
    const wasHere =
      name.backend === "embedded"
        ? await uninstallEmbeddedEngine(embeddedEngineFolder(binDir), signal)
        : await uninstallLlamaCpp(binDir, name.variant, signal);
    if (!wasHere) throw new RouterError("BACKEND_NOT_INSTALLED", `${formatEngineName(name)} is not installed`);
    return name;
  }

  async ensureLlamaCpp(variant: ReleaseVariant, signal: AbortSignal): Promise<void> {
    const { settings, log } = this.#options;
    const here = (await listInstalledLlamaCpp(settings.binDir)).find((build) => build.variant === variant);
    if (here?.isKept === true) return;
    const report = reportVariants(await this.#completeFacts(signal), readReleaseTable()).find((one) => one.variant === variant);
    if (here !== undefined && (here.tag === report?.release?.tag || settings.isOffline)) return;
    const { version, warnings } = await this.#installRelease(variant, { signal, onProgress: logProgress(log, `llamacpp:${variant}`) });
    log.info("install", `llamacpp:${variant} ${version} is installed`);
    for (const warning of warnings) log.warning("install", warning);
  }

  async ensureFlm(signal: AbortSignal): Promise<void> {
    checkNpuDriver((await this.#completeFacts(signal)).npu?.driverVersion);
    const { warnings } = await this.#installFlm({ signal, onProgress: logProgress(this.#options.log, "flm") });
    for (const warning of warnings) this.#options.log.warning("install", warning);
  }

  async usableVariants(): Promise<readonly string[] | undefined> {
    const facts = await this.#info.known(FIRST_FACTS_MS);
    return facts && reportVariants(facts, readReleaseTable()).flatMap(({ variant, isUsable }) => (isUsable ? [variant] : []));
  }

  async hasNpu(): Promise<boolean> {
    return (await this.#completeFacts(undefined)).npu !== undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#info[Symbol.asyncDispose]();
  }

  async #completeFacts(signal: AbortSignal | undefined): Promise<SystemFacts> {
    return await this.#info.complete({ signal });
  }

  async #nameOf(query: EngineQuery, signal: AbortSignal): Promise<EngineName> {
    if (query.backend !== "llamacpp") return query;
    if (query.variant !== undefined) return { backend: query.backend, variant: query.variant };
    const { variant } = chooseDefaultVariant(await this.#completeFacts(signal), readReleaseTable());
    return { backend: "llamacpp", variant };
  }

  async #installedName(query: EngineQuery): Promise<EngineName> {
    if (query.backend !== "llamacpp") return query;
    if (query.variant !== undefined) return { backend: query.backend, variant: query.variant };
    const names = (await listInstalledLlamaCpp(this.#options.settings.binDir)).map(({ variant }) => variant);
    const [only, ...others] = names;
    if (only === undefined) throw new RouterError("BACKEND_NOT_INSTALLED", "No build of llamacpp is installed");
    if (others.length === 0) return { backend: "llamacpp", variant: only as ReleaseVariant }; // A folder that an installation made.
    const hint = `Say which: ${names.map((name) => `llamacpp:${name}`).join(", ")}.`;
    throw new RouterError("INVALID_REQUEST", "Several builds of llamacpp are installed", { hint });
  }

  #requireIdle(name: EngineName): void {
    const folder = name.variant === undefined ? undefined : join(this.#options.settings.binDir, "llamacpp", name.variant);
    const runs = this.#options.running().find(({ server: { backend, commandLine } }) => {
      if (backend !== name.backend) return false;
      return folder === undefined || commandLine[0]?.startsWith(join(folder, "/")) === true;
    });
    if (runs === undefined) return;
    throw new RouterError("BACKEND_IN_USE", `${formatEngineName(name)} cannot be removed: it runs ${runs.model}`, {
      hint: "Unload the model first.",
    });
  }

  async #installRelease(variant: ReleaseVariant, options: InstallOptions): Promise<InstalledEngine> {
    const { settings, env } = this.#options;
    const { tag, executable, wasInstalledAlready, warnings } = await installLlamaCppRelease({
      ...this.#source(options),
      variant,
      binDir: settings.binDir,
      facts: await this.#completeFacts(options.signal),
      env: childEnvironment(env),
      ownExecutable: settings.ownLlamaCpp[variant],
      tag: options.version,
    });
    return { name: { backend: "llamacpp", variant }, version: tag ?? "your own", path: executable, wasInstalledAlready, warnings };
  }

  async #installFlm(options: InstallOptions): Promise<InstalledEngine> {
    const { flm, env } = this.#options;
    const { npu } = await this.#completeFacts(options.signal);
    const { version, executable, wasInstalledAlready, warnings } = await installFlm({
      ...this.#source(options),
      program: flm,
      env: childEnvironment(env),
      driverVersion: npu?.driverVersion,
      tag: options.version,
    });
    return { name: { backend: "flm" }, version, path: executable, wasInstalledAlready, warnings };
  }

  async #installEmbedded({ force = false, signal, onProgress }: InstallOptions): Promise<InstalledEngine> {
    const { env } = this.#options;
    const directory = embeddedEngineFolder(this.#options.settings.binDir);
    const name: EngineName = { backend: "embedded" };
    const here = await findEmbeddedEngine(directory);
    if (here !== undefined && !force) return { name, version: here.version, path: here.folder, wasInstalledAlready: true, warnings: [] };
    this.#requireOnline(name);
    if (here !== undefined) {
      this.#requireIdle(name);
      await uninstallEmbeddedEngine(directory, signal);
    }
    const { folder, version } = await installEmbeddedEngine({ directory, env, signal, onProgress });
    return { name, version, path: folder, wasInstalledAlready: false, warnings: [] };
  }

  /** The source comes with the embedded engine, which is installed first when it is missing. */
  async #buildFromSource({ force, signal, onProgress }: InstallOptions): Promise<InstalledEngine> {
    const { settings, env } = this.#options;
    const name: EngineName = { backend: "llamacpp", variant: "from-source" };
    const directory = embeddedEngineFolder(settings.binDir);
    const found = await findEmbeddedEngine(directory);
    if (found === undefined) this.#requireOnline({ backend: "embedded" });
    const { llamaSource } = found ?? (await installEmbeddedEngine({ directory, env, signal, onProgress }));
    const { executable, version } = await buildLlamaCppFromSource({
      ...llamaSource,
      destination: join(settings.binDir, "llamacpp", "from-source"),
      buildRoot: join(settings.cacheDir, "build"),
      env: childEnvironment(env),
      force,
      signal,
      onProgress,
    });
    return { name, version, path: executable, wasInstalledAlready: false, warnings: [] };
  }

  #requireOnline(name: EngineName): void {
    if (!this.#options.settings.isOffline) return;
    throw offlineError(formatEngineName(name));
  }

  /** Where files come from and how they are fetched. */
  #source({ force, signal, onProgress }: InstallOptions) {
    const { settings, env } = this.#options;
    const downloadFile: DownloadFile = async (download) => {
      const { downloadUrl } = await importLater(() => import("../hub/index.ts"));
      await downloadUrl(download, { env });
    };
    return {
      downloadFile,
      downloadsDir: join(settings.cacheDir, "engine-downloads"),
      mirrorUrl: settings.releasesUrl,
      githubToken: settings.githubToken,
      isOffline: settings.isOffline,
      force,
      signal,
      onProgress,
    };
  }
}
