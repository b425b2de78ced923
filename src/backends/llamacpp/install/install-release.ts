import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { errorMessage, RouterError } from "../../../errors.ts";
import { acquireFileLock } from "../../../platform/index.ts";
import type { SystemFacts } from "../../../platform/system-info/index.ts";
import {
  createStagingFolder,
  downloadProgress,
  exists,
  extractArchive,
  InstallFailedError,
  makeExecutable,
  offlineError,
  previousFolder,
  readBuildMarkers,
  recoverInterruptedReplacement,
  ReleaseHost,
  replaceFolder,
  restorePreviousFolder,
  unwrapSingleFolder,
  writeBuildMarkers,
  type DownloadFile,
  type InstallProgressListener,
  type ReleaseHostOptions,
} from "../../install/index.ts";
import { engineEnvironment } from "../engine-environment.ts";
import { EXECUTABLE, findInFolder } from "../find-executable.ts";
import { probeDevices, probeVersion, type LlamaDevice, type ProbeOptions } from "../probe-build.ts";
import { releaseNeeds } from "./choose-variant.ts";
import { chooseRelease, readReleaseTable, type ReleaseChoice, type ReleaseTable, type ReleaseVariant } from "./release-table.ts";
import { resolveAssets, type FetchPlan } from "./resolve-assets.ts";
import { chooseHipDevice } from "./rocm-family.ts";

export interface InstallReleaseOptions extends ReleaseHostOptions {
  readonly variant: ReleaseVariant;
  /** The installed programs, such as `<cache>/bin`; this build goes to `llamacpp/<variant>` in it. */
  readonly binDir: string;
  /** Where archives are kept until they are unpacked; an interrupted download goes on there. */
  readonly downloadsDir: string;
  readonly facts: SystemFacts;
  readonly downloadFile: DownloadFile;
  /** The user's own llama-server for this variant: while that file exists, nothing is installed. */
  readonly ownExecutable?: string | undefined;
  /** Our environment; the new program is tried with it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Another release than the pinned one. */
  readonly tag?: string | undefined;
  /** Installs even when this tag is installed already. */
  readonly force?: boolean | undefined;
  /** No network: only what is installed already can be the result. */
  readonly isOffline?: boolean | undefined;
  /** Defaults to the table of this version of the program. */
  readonly table?: ReleaseTable | undefined;
  readonly onProgress?: InstallProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface InstalledRelease {
  readonly variant: ReleaseVariant;
  /** Absent for the user's own executable. */
  readonly tag?: string | undefined;
  readonly executable: string;
  readonly wasInstalledAlready: boolean;
  /** What the new build can compute on besides the CPU; absent when nothing was installed or the build does not tell. */
  readonly devices?: readonly LlamaDevice[] | undefined;
  /** Sentences for the user: it works, but not as hoped. */
  readonly warnings: readonly string[];
}

/**
 * Installs a published build, or does nothing when its tag is installed. The new build must start before it takes the place of the old
 * one, and again in that place; else the old one is back. Two callers, also in different processes, install once.
 * @throws `BACKEND_NOT_INSTALLED` when nothing is published for this machine, `OFFLINE`, `INSTALL_FAILED` for everything else.
 */
export async function installLlamaCppRelease(options: InstallReleaseOptions): Promise<InstalledRelease> {
  const { variant, binDir, onProgress, signal, ownExecutable, force = false } = options;
  if (ownExecutable !== undefined && (await exists(ownExecutable))) {
    return { variant, executable: ownExecutable, wasInstalledAlready: true, warnings: [] };
  }
  const release = requireRelease(options);
  const destination = join(binDir, "llamacpp", variant);
  await using _lock = await acquireFileLock(`${destination}.lock`, {
    onWait: (holder) => onProgress?.({ stage: "waiting", detail: `${holder} is installing llama.cpp` }),
    signal,
  });
  await recoverInterruptedReplacement(destination);
  const installed = await findInFolder(destination);
  const markers = await readBuildMarkers(destination);
  const isCurrent = installed !== undefined && markers?.version === release.tag && markers.backend === variant;
  if (isCurrent && !force) return { variant, tag: release.tag, executable: installed, wasInstalledAlready: true, warnings: [] };
  if (options.isOffline === true) {
    throw offlineError(`llama.cpp ${release.tag} (${variant})`);
  }
  const installation = new Installation(options, release, destination);
  return await installation.run();
}

/** Removes an installed build. Says whether there was one. */
export async function uninstallLlamaCpp(binDir: string, variant: string, signal?: AbortSignal): Promise<boolean> {
  if (!/^[\w-]+$/.test(variant)) return false;
  const destination = join(binDir, "llamacpp", variant);
  await using _lock = await acquireFileLock(`${destination}.lock`, { signal });
  const found = await exists(destination);
  await rm(previousFolder(destination), { recursive: true, force: true });
  await rm(destination, { recursive: true, force: true });
  return found;
}

function requireRelease({ variant, facts, tag, table = readReleaseTable() }: InstallReleaseOptions): ReleaseChoice {
  const { platform, arch } = facts.os;
  const needs = releaseNeeds(facts, tag);
  const release = chooseRelease(variant, needs, table);
  if (release === undefined) {
    const isDriverOld = chooseRelease(variant, { ...needs, cudaVersion: undefined }, table) !== undefined;
    throw new RouterError(
      "BACKEND_NOT_INSTALLED",
      isDriverOld
        ? `The published ${variant} builds of llama.cpp need a newer driver: this one runs CUDA ${needs.cudaVersion}`
        : `llama.cpp is not published for ${variant} on ${platform} ${arch}`,
      { hint: "See `lemonade backends` for what there is, or build with `lemonade install llamacpp --from-source`." },
    );
  }
  if ("gfx" in release && release.gfx === undefined) {
    const names = facts.gpus.filter(({ vendor }) => vendor === "amd").map(({ name }) => name);
    const isNameOld = platform === "linux" && names.length > 0;
    throw new RouterError(
      "BACKEND_NOT_INSTALLED",
      names.length === 0 ? "The ROCm build needs an AMD GPU, and none answers" : `No ROCm build is published for ${names.join(", ")}`,
      {
        hint:
          `Use vulkan, or see https://github.com/${release.repository} for the GPUs that it supports.` +
          (isNameOld ? " If yours is among them, `sudo update-pciids` teaches this system its name." : ""),
      },
    );
  }
  return release;
}

class Installation {
  readonly #options: InstallReleaseOptions;
  readonly #release: ReleaseChoice;
  readonly #destination: string;
  readonly #warnings: string[] = [];

  constructor(options: InstallReleaseOptions, release: ReleaseChoice, destination: string) {
    this.#options = options;
    this.#release = release;
    this.#destination = destination;
  }

  async run(): Promise<InstalledRelease> {
    const { variant, onProgress } = this.#options;
    const archives = await this.#download();
    const staging = await createStagingFolder(this.#destination);
    let devices: readonly LlamaDevice[] | undefined;
    try {
      await this.#unpack(archives, staging);
      onProgress?.({ stage: "checking" });
      const executable = await this.#requireExecutable(staging);
      await this.#start(executable);
      devices = await probeDevices(executable, this.#probeOptions(executable));
      await this.#configure(executable, devices);
      await writeBuildMarkers(staging, { version: this.#release.tag, backend: variant, isKept: this.#options.tag !== undefined });
      onProgress?.({ stage: "finishing" });
      await replaceFolder(staging, this.#destination);
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
    const executable = await this.#proveInPlace();
    await Promise.all(archives.map((archive) => rm(archive, { force: true })));
    return { variant, tag: this.#release.tag, executable, wasInstalledAlready: false, devices, warnings: this.#warnings };
  }

  async #download(): Promise<readonly string[]> {
    const { downloadsDir, downloadFile, onProgress, signal } = this.#options;
    const host = new ReleaseHost(this.#options);
    const { plans, warnings } = await resolveAssets(this.#release, host, signal);
    this.#warnings.push(...warnings);
    await mkdir(downloadsDir, { recursive: true });
    const archives: string[] = [];
    for (const { name, url, sha256 } of plans) {
      // Tag and repository in the name: the runtime of CUDA is named alike in every release.
      const destination = join(downloadsDir, `${this.#release.repository.replace("/", "-")}-${this.#release.tag}-${basename(name)}`);
      try {
        await downloadFile({ url, destination, sha256, onProgress: downloadProgress(name, onProgress), signal });
      } catch (error) {
        signal?.throwIfAborted();
        throw downloadError(error, { name, url, sha256 });
      }
      archives.push(destination);
    }
    return archives;
  }

  async #unpack(archives: readonly string[], staging: string): Promise<void> {
    const { onProgress, signal } = this.#options;
    const [main, ...others] = archives;
    if (main === undefined) throw new InstallFailedError("The release table names no file");
    const extract = async (archive: string, folder: string): Promise<void> => {
      onProgress?.({ stage: "unpacking", detail: basename(archive) });
      try {
        await extractArchive(archive, folder, { signal });
        await unwrapSingleFolder(folder);
      } catch (error) {
        // A damaged archive would be found whole again by the next try.
        if (error instanceof InstallFailedError) await rm(archive, { force: true });
        throw error;
      }
    };
    await extract(main, staging);
    const folder = dirname(await this.#requireExecutable(staging));
    for (const archive of others) {
      const aside = await createStagingFolder(this.#destination);
      try {
        await extract(archive, aside);
        for (const name of await readdir(aside)) await rename(join(aside, name), join(folder, name));
      } finally {
        await rm(aside, { recursive: true, force: true });
      }
    }
  }

  /** The executable of an unpacked build, with the executable bits that some archives lack. */
  async #requireExecutable(folder: string): Promise<string> {
    const names = process.platform === "win32" ? [EXECUTABLE] : [EXECUTABLE, "llama-cli", "llama-bench"];
    for (const inner of ["", join("build", "bin"), "bin"]) {
      const paths = names.map((name) => join(folder, inner, name));
      for (const path of paths) if (await exists(path)) await makeExecutable(path);
    }
    const executable = await findInFolder(folder);
    if (executable === undefined) throw new InstallFailedError("The archive was unpacked but holds no llama-server");
    return executable;
  }

  async #start(executable: string): Promise<void> {
    await probeVersion(executable, this.#probeOptions(executable));
  }

  /** As when a model is started. */
  #probeOptions(path: string): ProbeOptions {
    const { env, signal, variant } = this.#options;
    return { env: { ...env, ...engineEnvironment({ path, variant }, env) }, signal };
  }

  async #configure(executable: string, devices: readonly LlamaDevice[] | undefined): Promise<void> {
    const { variant } = this.#options;
    // A build whose GPU module cannot be loaded (driver, toolkit) starts all the same, and says nothing.
    if (devices?.length === 0 && variant !== "cpu") {
      this.#warnings.push(
        `The ${variant} build finds no GPU, so models will run on the CPU: check the driver with \`lemonade system-info\``,
      );
    }
    if (variant !== "rocm") return;
    const device = chooseHipDevice(
      (devices ?? []).map(({ name }) => name),
      this.#release.gfx,
    );
    await writeFile(join(dirname(executable), ".env"), `HIP_VISIBLE_DEVICES=${device}\n`);
  }

  /** The program once more, at its final path: what it finds relative to itself may depend on that. */
  async #proveInPlace(): Promise<string> {
    try {
      const executable = await this.#requireExecutable(this.#destination);
      await this.#start(executable);
      await rm(previousFolder(this.#destination), { recursive: true, force: true });
      return executable;
    } catch (error) {
      const hasPrevious = await restorePreviousFolder(this.#destination);
      this.#options.signal?.throwIfAborted();
      throw new InstallFailedError(`llama.cpp ${this.#release.tag} does not start where it was installed`, {
        cause: error,
        hint: hasPrevious ? "The previous version is back in its place." : undefined,
        logTail: error instanceof InstallFailedError ? error.logTail : [],
      });
    }
  }
}

function downloadError(error: unknown, { name, url }: FetchPlan): InstallFailedError {
  const status = typeof error === "object" && error !== null && "status" in error ? error.status : undefined;
  if (status === 404) {
    return new InstallFailedError(`${url} does not exist`, {
      cause: error,
      hint: "Choose another version or variant; a mirror may lack the file.",
    });
  }
  return new InstallFailedError(`Could not fetch ${name} from ${new URL(url).host}: ${errorMessage(error)}`, {
    cause: error,
    hint: hintFor(error),
  });
}

function hintFor(error: unknown): string {
  if (error instanceof RouterError && error.hint !== undefined) return error.hint;
  return error instanceof RouterError && error.code === "HUB_UNREACHABLE"
    ? "Check the network, or set LEMONADE_RELEASES_URL to a mirror; the download goes on where it was."
    : "Try again: the download goes on where it was.";
}
