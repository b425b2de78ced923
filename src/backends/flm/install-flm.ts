import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errorMessage } from "../../errors.ts";
import { acquireFileLock } from "../../platform/index.ts";
import {
  downloadProgress,
  InstallFailedError,
  makeExecutable,
  offlineError,
  ReleaseHost,
  runCommand,
  unverifiedWarning,
  type DownloadFile,
  type InstallProgressListener,
  type ReleaseHostOptions,
} from "../install/index.ts";
import { checkNpuDriver } from "./check-driver.ts";
import { compareVersions, FLM_POLICY } from "./flm-policy.ts";
import { flmMissing, type FlmProgram } from "./flm-program.ts";

export interface InstallFlmOptions extends ReleaseHostOptions {
  readonly program: FlmProgram;
  readonly downloadsDir: string;
  readonly downloadFile: DownloadFile;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Defaults to this system. Only Windows has an installer. */
  readonly platform?: NodeJS.Platform | undefined;
  /** Of the NPU, where the system tells. */
  readonly driverVersion?: string | undefined;
  /** Another version than the pinned one. */
  readonly tag?: string | undefined;
  /** Runs the installer even when a version that is new enough is here. */
  readonly force?: boolean | undefined;
  readonly isOffline?: boolean | undefined;
  /** Pauses while the installation is looked for, in milliseconds. */
  readonly verifyPauseMs?: { readonly first: number; readonly next: number } | undefined;
  readonly onProgress?: InstallProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface InstalledFlm {
  readonly executable: string;
  readonly version: string;
  readonly wasInstalledAlready: boolean;
  /** Sentences for the user: it works, but not as hoped. */
  readonly warnings: readonly string[];
}

/** The installer shows windows to somebody who may be at lunch. */
const INSTALLER_TIMEOUT_MS = 15 * 60_000;
const VERIFY_TRIES = 10;
const VERIFY_PAUSE_MS = { first: 2000, next: 3000 };
/** What the installer takes to show nothing: an upgrade asks nobody. */
const SILENT = "/VERYSILENT";

/**
 * Runs FastFlowLM's installer on Windows, visibly when it is new here and silently for an upgrade, and waits until the program answers
 * with the version. What is here and new enough is left alone; on other systems what is here is used as it is.
 * @throws `BACKEND_NOT_INSTALLED` where there is no installer or the driver is too old, `INSTALL_FAILED` for what goes wrong.
 */
export async function installFlm(options: InstallFlmOptions): Promise<InstalledFlm> {
  const { program, platform = process.platform, tag, force = false, signal, onProgress, isOffline = false } = options;
  const wanted = tag ?? FLM_POLICY.version;
  if (platform !== "win32") {
    const here = await installed(program, signal);
    if (here === undefined) throw flmMissing(platform);
    return { ...here, wasInstalledAlready: true, warnings: [] };
  }
  checkNpuDriver(options.driverVersion);
  await mkdir(options.downloadsDir, { recursive: true });
  await using _lock = await acquireFileLock(join(options.downloadsDir, "flm.lock"), {
    onWait: (holder) => onProgress?.({ stage: "waiting", detail: `${holder} is installing FastFlowLM` }),
    signal,
  });
  const here = await installed(program, signal);
  if (here !== undefined && !force && compareVersions(here.version, wanted) >= 0)
    return { ...here, wasInstalledAlready: true, warnings: [] };
  if (isOffline) {
    if (here !== undefined) return { ...here, wasInstalledAlready: true, warnings: [] };
    throw offlineError("FastFlowLM");
  }
  const warnings = await downloadAndRun(options, { wanted, isUpgrade: here !== undefined });
  return { ...(await verify(options, wanted)), wasInstalledAlready: false, warnings };
}

async function installed(
  program: FlmProgram,
  signal: AbortSignal | undefined,
): Promise<{ executable: string; version: string } | undefined> {
  const executable = await program.find();
  return executable === undefined ? undefined : { executable, version: (await program.version(signal)) ?? "v0" };
}

async function downloadAndRun(
  options: InstallFlmOptions,
  { wanted, isUpgrade }: { wanted: string; isUpgrade: boolean },
): Promise<readonly string[]> {
  const { downloadsDir, downloadFile, env, onProgress, signal } = options;
  const { repository, installer } = FLM_POLICY;
  const host = new ReleaseHost(options);
  const destination = join(downloadsDir, `flm-${wanted}-setup.exe`);
  const { sha256, warnings } = await publishedDigest(host, wanted, signal);
  try {
    await downloadFile({
      url: host.downloadUrl(repository, wanted, installer),
      destination,
      sha256,
      onProgress: downloadProgress(installer, onProgress),
      signal,
    }).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw new InstallFailedError(`Could not fetch the installer of FastFlowLM ${wanted}: ${errorMessage(error)}`, { cause: error });
    });
    await makeExecutable(destination);
    onProgress?.({ stage: "configuring", detail: isUpgrade ? "the installer runs" : "follow the installer's windows" });
    const result = await runCommand(destination, isUpgrade ? [SILENT] : [], { env, timeoutMs: INSTALLER_TIMEOUT_MS, signal });
    if (result.exitCode !== 0) {
      throw new InstallFailedError(`FastFlowLM's installer failed (${result.failure ?? `exit code ${result.exitCode}`})`, {
        logTail: result.lines.slice(-20),
        hint: `Install it by hand from ${FLM_POLICY.releasesPage}.`,
      });
    }
    return warnings;
  } finally {
    await rm(destination, { force: true });
  }
}

interface Digest {
  readonly sha256: string | undefined;
  readonly warnings: readonly string[];
}

/** Where the API does not answer, the file comes without a digest, over the encrypted connection alone. */
async function publishedDigest(host: ReleaseHost, tag: string, signal: AbortSignal | undefined): Promise<Digest> {
  try {
    const assets = await host.listAssets(FLM_POLICY.repository, tag, signal);
    return { sha256: assets?.find(({ name }) => name === FLM_POLICY.installer)?.sha256, warnings: [] };
  } catch (error) {
    if (!(error instanceof InstallFailedError)) throw error;
    return { sha256: undefined, warnings: [unverifiedWarning(`FastFlowLM ${tag}`, error)] };
  }
}

/** The installer may end before its last file is in place. */
async function verify(options: InstallFlmOptions, wanted: string): Promise<{ executable: string; version: string }> {
  const { program, onProgress, signal, verifyPauseMs: { first, next } = VERIFY_PAUSE_MS } = options;
  onProgress?.({ stage: "checking" });
  for (let tries = 1, pauseMs = first; ; tries++, pauseMs = next) {
    await sleep(pauseMs, undefined, signal === undefined ? {} : { signal }).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw error;
    });
    const here = await installed(program, signal);
    if (here !== undefined && compareVersions(here.version, wanted) >= 0) return here;
    if (tries < VERIFY_TRIES) continue;
    const found = here === undefined ? "no `flm` program is found" : `\`flm version\` says ${here.version}`;
    throw new InstallFailedError(`FastFlowLM ${wanted} was installed, but ${found}`, { hint: "Restart the computer, then try again." });
  }
}
