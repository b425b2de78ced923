import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { acquireFileLock } from "../../platform/index.ts";
import { InstallFailedError } from "../install/install-error.ts";
import type { InstallProgressListener } from "../install/install-progress.ts";
import { readBuildMarkers, writeBuildMarkers } from "../install/installed-build.ts";
import { createStagingFolder } from "../install/replace-folder.ts";
import { runCommand, type CommandResult } from "../install/run-command.ts";
import { watchFolderSize } from "./watch-folder-size.ts";

export interface EmbeddedEnginePin {
  /** Version of `node-llama-cpp` and of its platform package: the two share native interfaces and must be equal. */
  readonly version: string;
  /** The prebuilt package, `@node-llama-cpp/…`. */
  readonly platformPackage: string;
}

/**
 * What is installed where, by `process.platform` and `process.arch`. The platform packages of one release are not always all
 * published (3.22.1 exists for Linux alone), so each has its own pin. The worker drives the native add-on inside them, whose
 * interface is not public: another version goes in here only after its tests.
 */
export const EMBEDDED_ENGINE_PINS: Readonly<Record<string, EmbeddedEnginePin>> = {
  "linux-x64": { version: "3.22.1", platformPackage: "@node-llama-cpp/linux-x64" },
  "linux-arm64": { version: "3.22.1", platformPackage: "@node-llama-cpp/linux-arm64" },
  "darwin-arm64": { version: "3.21.1", platformPackage: "@node-llama-cpp/mac-arm64-metal" },
  "darwin-x64": { version: "3.21.1", platformPackage: "@node-llama-cpp/mac-x64" },
  "win32-x64": { version: "3.21.1", platformPackage: "@node-llama-cpp/win-x64" },
  "win32-arm64": { version: "3.21.1", platformPackage: "@node-llama-cpp/win-arm64" },
};

export interface InstalledEmbeddedEngine {
  /** The folder that the worker is given as `--engine`. */
  readonly folder: string;
  readonly version: string;
  /** llama.cpp's source as a git bundle with its tag; a build of llama-server starts from it. */
  readonly llamaSource: { readonly bundlePath: string; readonly tag: string };
}

type Environment = Readonly<Record<string, string | undefined>>;

export interface InstallEmbeddedEngineOptions {
  /** The folder of all versions, such as `<bin>/embedded`. */
  readonly directory: string;
  /** Where the package manager finds its proxy, certificates, home and temporary folder. Defaults to this process's environment. */
  readonly env?: Environment | undefined;
  readonly onProgress?: InstallProgressListener | undefined;
  /** Aborting ends the package manager and removes what it has fetched. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Fetches `node-llama-cpp` and the one prebuilt package of this machine (85 MB on disk) into `<directory>/<version>`, with Bun as the
 * package manager, or npm when this process is Node. Done already: returns at once. Several installers at once do the work once.
 * @throws {@link InstallFailedError} when no prebuilt package exists for this machine or the registry cannot be reached.
 */
export async function installEmbeddedEngine(options: InstallEmbeddedEngineOptions): Promise<InstalledEmbeddedEngine> {
  const { directory, env = process.env, onProgress, signal } = options;
  const pin = pinOfThisMachine();
  const installed = await findEmbeddedEngine(directory);
  if (installed !== undefined) return installed;
  signal?.throwIfAborted();
  await using _lock = await acquireFileLock(join(directory, "install.lock"), {
    signal,
    onWait: (holder) => onProgress?.({ stage: "waiting", detail: `${holder} is installing` }),
  });
  const byAnother = await findEmbeddedEngine(directory);
  if (byAnother !== undefined) return byAnother;
  await removeLeftovers(directory);
  const folder = join(directory, pin.version);
  const staging = await createStagingFolder(folder);
  try {
    await fetchPackages(staging, { pin, env, onProgress, signal });
    onProgress?.({ stage: "finishing" });
    await writeBuildMarkers(staging, { version: pin.version, backend: pin.platformPackage });
    await rm(folder, { recursive: true, force: true });
    await rename(staging, folder);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  await removeOtherVersions(directory, pin.version);
  const result = await findEmbeddedEngine(directory);
  if (result === undefined)
    throw new InstallFailedError(`The engine in ${folder} is incomplete`, { hint: "Remove that folder and try again." });
  return result;
}

/** The engine that {@link installEmbeddedEngine} has put into `directory`, in the version pinned for this machine. */
export async function findEmbeddedEngine(directory: string): Promise<InstalledEmbeddedEngine | undefined> {
  const pin = EMBEDDED_ENGINE_PINS[`${process.platform}-${process.arch}`];
  if (pin === undefined) return undefined;
  const folder = join(directory, pin.version);
  const markers = await readBuildMarkers(folder);
  if (markers?.version !== pin.version || markers.backend !== pin.platformPackage) return undefined;
  const source = join(folder, "node_modules", "node-llama-cpp", "llama");
  try {
    const info = JSON.parse(await readFile(join(source, "llama.cpp.info.json"), "utf8")) as { tag?: unknown };
    return { folder, version: pin.version, llamaSource: { bundlePath: join(source, "gitRelease.bundle"), tag: String(info.tag) } };
  } catch {
    return undefined; // Somebody removed files from it: the next installation replaces it.
  }
}

/** Removes every version below `directory`. Says whether there was one. */
export async function uninstallEmbeddedEngine(directory: string, signal?: AbortSignal): Promise<boolean> {
  await using _lock = await acquireFileLock(join(directory, "install.lock"), { signal });
  const wasHere = (await findEmbeddedEngine(directory)) !== undefined;
  await removeLeftovers(directory);
  for (const entry of await readdir(directory)) {
    if (VERSION.test(entry)) await rm(join(directory, entry), { recursive: true, force: true });
  }
  return wasHere;
}

/** The name of a version's folder. */
const VERSION = /^\d+\.\d+\.\d+$/;

function pinOfThisMachine(): EmbeddedEnginePin {
  const machine = `${process.platform}-${process.arch}`;
  const pin = EMBEDDED_ENGINE_PINS[machine];
  if (pin === undefined || (process.platform === "linux" && !usesGlibc())) {
    throw new InstallFailedError(`There is no prebuilt embedded engine for ${machine}${pin === undefined ? "" : " without glibc"}`, {
      hint: "Build llama-server instead: `lemonade install llamacpp --from-source`.",
    });
  }
  return pin;
}

/** The prebuilt add-on is linked against glibc. */
function usesGlibc(): boolean {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime !== undefined;
}

interface FetchOptions {
  readonly pin: EmbeddedEnginePin;
  readonly env: Environment;
  readonly onProgress: InstallProgressListener | undefined;
  readonly signal: AbortSignal | undefined;
}

async function fetchPackages(folder: string, { pin, env, onProgress, signal }: FetchOptions): Promise<void> {
  const dependencies = { "node-llama-cpp": pin.version, [pin.platformPackage]: pin.version };
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "lemonade-embedded-engine", private: true, dependencies }, null, 2));
  const manager = packageManager(folder);
  let detail = `node-llama-cpp ${pin.version}`;
  let bytesDone = 0;
  const report = (): void => onProgress?.({ stage: "downloading", bytesDone, detail });
  report();
  using _size = watchFolderSize(folder, (bytes) => {
    bytesDone = bytes;
    report();
  });
  const result = await runCommand(manager.command, manager.args, {
    cwd: folder,
    env: { ...environmentFor(env), ...manager.env },
    signal,
    onLine: (line) => {
      detail = line.trim();
      report();
    },
  });
  if (result.exitCode !== 0) throw explainFailure(result);
  await rm(join(folder, ".cache"), { recursive: true, force: true });
}

/** Optional packages would be every other platform's files and CUDA's, about 1 GB; install scripts would compile llama.cpp. */
const INSTALL_ARGS = ["install", "--ignore-scripts", "--omit=optional", "--omit=peer"];

function packageManager(folder: string): { command: string; args: readonly string[]; env: Record<string, string> } {
  if (process.versions["bun"] !== undefined) {
    // A compiled executable of ours is Bun too, once this variable says so. The cache lies beside, for hard links and for its removal.
    const env = { BUN_BE_BUN: "1", BUN_INSTALL_CACHE_DIR: join(folder, ".cache"), DO_NOT_TRACK: "1" };
    return { command: process.execPath, args: [...INSTALL_ARGS, "--production", "--no-progress"], env };
  }
  const args = [...INSTALL_ARGS, "--omit=dev", "--no-package-lock", "--no-audit", "--no-fund", "--no-update-notifier"];
  // npm is a script on Windows, which only its shell starts.
  return process.platform === "win32"
    ? { command: "cmd.exe", args: ["/d", "/s", "/c", "npm.cmd", ...args], env: {} }
    : { command: "npm", args, env: {} };
}

/** Everything else of our environment stays away: `npm_*` of an outer npm run, `NODE_ENV`, settings of other tools. */
const KEPT_VARIABLES =
  /^(PATH|HOME|USERPROFILE|APPDATA|LOCALAPPDATA|XDG_CONFIG_HOME|TMPDIR|TEMP|TMP|SYSTEMROOT|COMSPEC|PATHEXT|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|NODE_EXTRA_CA_CERTS|NPM_CONFIG_(REGISTRY|USERCONFIG|CAFILE)|BUN_CONFIG_REGISTRY)$/i;

function environmentFor(env: Environment): Record<string, string> {
  const kept = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && KEPT_VARIABLES.test(entry[0]));
  return Object.fromEntries(kept);
}

const NO_NETWORK =
  /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ConnectionRefused|ConnectionClosed|FailedToOpenSocket|Timeout|unable to resolve|network/i;
const DISK_FULL = /ENOSPC|no space left|NoSpaceLeft/i;

function explainFailure(result: CommandResult): InstallFailedError {
  const how = result.failure ?? `exit code ${result.exitCode}`;
  const cause = result.lines.find((line) => /^(error|npm (error|ERR!))/i.test(line.trim())) ?? result.lines.at(-1);
  const text = result.lines.join("\n");
  const hint = DISK_FULL.test(text)
    ? "The disk is full: 180 MB are needed while installing."
    : NO_NETWORK.test(text)
      ? "The package registry cannot be reached: check the network, or set HTTPS_PROXY or NPM_CONFIG_REGISTRY."
      : undefined;
  const message = `The embedded engine could not be installed (${how})${cause === undefined ? "" : `: ${cause.trim()}`}`;
  return new InstallFailedError(message, { hint, logTail: result.lines.slice(-20) });
}

/** Folders of installers that were killed: under the lock nobody works in them. */
async function removeLeftovers(directory: string): Promise<void> {
  for (const entry of await readdir(directory)) {
    if (entry.includes(".staging-")) await rm(join(directory, entry), { recursive: true, force: true });
  }
}

/** Best effort: on Windows a worker that still runs keeps its files. */
async function removeOtherVersions(directory: string, version: string): Promise<void> {
  for (const entry of await readdir(directory)) {
    if (entry === version || !VERSION.test(entry)) continue;
    await rm(join(directory, entry), { recursive: true, force: true }).catch(() => undefined);
  }
}
