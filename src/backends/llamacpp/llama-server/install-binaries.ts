import { copyFile, mkdir, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errorMessage } from "../../../errors.ts";
import {
  archiveFormat,
  createStagingFolder,
  downloadProgress,
  exists,
  extractArchive,
  InstallFailedError,
  makeExecutable,
  previousFolder,
  readBuildMarkers,
  recoverInterruptedReplacement,
  ReleaseHost,
  replaceFolder,
  unwrapSingleFolder,
  writeBuildMarkers,
  type BuildMarkers,
  type DownloadFile,
  type InstallProgressListener,
  type PublishedAsset,
  type PublishedRelease,
} from "../../install/index.ts";
import { findBinary, newestRelease } from "./choose-binary.ts";
import { requirePlainNames } from "./resolve-executable.ts";
import { defaultVariant, detectTarget, executableName, type TargetTriple } from "./target.ts";
import { withFileLock } from "./with-file-lock.ts";

/** Which builds of the engine to fetch, from where, and where they go: `<binDir>/<target>/<variant>/llama-server`. */
export interface InstallBinariesOptions {
  /** Folder that holds one folder for each platform; {@link resolveExecutable} finds the builds when it is given as `lookupPath`. */
  readonly binDir: string;
  /** Defaults to the platform of this process; any other one may be provided for, too. */
  readonly target?: TargetTriple | undefined;
  /** Builds to fetch. Defaults to the one of {@link defaultVariant}. */
  readonly variants?: readonly string[] | undefined;
  /** GitHub repository, `owner/name`, whose releases have files called `llama-server--<target>--<variant>`. Defaults to `BodhiSearch/llama.cpp`. */
  readonly repository?: string | undefined;
  /** How tags of releases with such files begin; the newest one of them is taken. Defaults to `server-`. */
  readonly tagPrefix?: string | undefined;
  /** A release to take instead of the newest one. What is installed of it already needs no network. */
  readonly tag?: string | undefined;
  /** GitHub token: raises the limit of questions to its API. */
  readonly token?: string | undefined;
  /** A server that mirrors GitHub's addresses, with the API below `/api/v3`. It is not given the token. */
  readonly mirrorUrl?: string | undefined;
  /** Fetches what is installed already once more. Defaults to false. */
  readonly force?: boolean | undefined;
  /** How often a download is tried. Defaults to 3. */
  readonly attempts?: number | undefined;
  /** Pause between two attempts, in milliseconds. Defaults to 5000. */
  readonly retryPauseMs?: number | undefined;
  /** How long another installation into the same folder is waited for, in milliseconds. Defaults to 180 000. */
  readonly lockTimeoutMs?: number | undefined;
  readonly onProgress?: InstallProgressListener | undefined;
  /** Aborting ends the installation; a build is there whole or not at all, and a download goes on the next time. */
  readonly signal?: AbortSignal | undefined;
}

/** A build that is in its place. */
export interface InstalledBinary {
  readonly target: TargetTriple;
  readonly variant: string;
  /** The release that it comes from. */
  readonly tag: string;
  /** Absolute path of the program; its libraries lie beside it. */
  readonly executable: string;
  /** Nothing was fetched: it was there. */
  readonly wasInstalledAlready: boolean;
}

const REPOSITORY = "BodhiSearch/llama.cpp";

/** What {@link InstallBinariesOptions} ask for, with a downloader; one caller at a time in each folder. */
export async function installBinariesWith(
  downloadFile: DownloadFile,
  options: InstallBinariesOptions,
): Promise<readonly InstalledBinary[]> {
  const { target = detectTarget(), variants = [defaultVariant(target)], lockTimeoutMs, signal, force = false } = options;
  for (const variant of variants) requirePlainNames({ target, variant });
  const binDir = resolve(options.binDir);
  return await withFileLock(join(binDir, "install.lock"), { timeoutMs: lockTimeoutMs, signal }, async () => {
    let asked: Promise<PublishedRelease> | undefined;
    const release = async (): Promise<PublishedRelease> => await (asked ??= findRelease(options));
    const tag = options.tag ?? (await release()).tag;
    const installed: InstalledBinary[] = [];
    for (const variant of variants) {
      const folder = join(binDir, target, variant);
      const executable = join(folder, executableName(target));
      await recoverInterruptedReplacement(folder);
      const wasInstalledAlready = !force && (await readBuildMarkers(folder))?.version === tag && (await exists(executable));
      if (!wasInstalledAlready) {
        const file = await download(findBinary(await release(), target, variant), { downloadFile, binDir, tag, options });
        await unpack(file, { folder, name: executableName(target), markers: { version: tag, backend: variant }, options });
      }
      installed.push({ target, variant, tag, executable, wasInstalledAlready });
    }
    return installed;
  });
}

async function findRelease(options: InstallBinariesOptions): Promise<PublishedRelease> {
  const { repository = REPOSITORY, tagPrefix = "server-", tag, signal } = options;
  const host = new ReleaseHost({ mirrorUrl: options.mirrorUrl, githubToken: options.token });
  if (tag === undefined) {
    const newest = newestRelease((await host.listReleases(repository, signal)) ?? [], tagPrefix);
    if (newest !== undefined) return newest;
  } else {
    const assets = await host.listAssets(repository, tag, signal);
    if (assets !== undefined) return { tag, createdAtMs: 0, assets };
  }
  const what = tag === undefined ? `with files whose tag begins with ${tagPrefix}` : tag;
  throw new InstallFailedError(`There is no release ${what} in ${repository}`, { hint: `See https://github.com/${repository}/releases` });
}

interface DownloadParts {
  readonly downloadFile: DownloadFile;
  readonly binDir: string;
  readonly tag: string;
  readonly options: InstallBinariesOptions;
}

async function download({ name, url, sha256 }: PublishedAsset, { downloadFile, binDir, tag, options }: DownloadParts): Promise<string> {
  const { attempts = 3, retryPauseMs = 5000, onProgress, signal } = options;
  const downloads = join(binDir, "downloads");
  await mkdir(downloads, { recursive: true });
  const destination = join(downloads, `${encodeURIComponent(tag)}-${name}`);
  for (let attempt = 1; ; attempt++) {
    try {
      await downloadFile({ url, destination, sha256, onProgress: downloadProgress(name, onProgress), signal });
      return destination;
    } catch (error) {
      signal?.throwIfAborted();
      if (attempt >= attempts) throw new InstallFailedError(`Could not fetch ${url}: ${errorMessage(error)}`, { cause: error });
    }
    await sleep(retryPauseMs, undefined, signal === undefined ? {} : { signal }).catch(() => signal?.throwIfAborted());
  }
}

interface UnpackParts {
  readonly folder: string;
  /** File name of the program. */
  readonly name: string;
  readonly markers: BuildMarkers;
  readonly options: Pick<InstallBinariesOptions, "onProgress" | "signal">;
}

/** Puts a build into its folder with one rename. A file that is no archive is the program itself. */
async function unpack(file: string, { folder, name, markers, options: { onProgress, signal } }: UnpackParts): Promise<void> {
  const staging = await createStagingFolder(folder);
  try {
    onProgress?.({ stage: "unpacking", detail: basename(file) });
    if (archiveFormat(file) === undefined) await copyFile(file, join(staging, name));
    else {
      await extractArchive(file, staging, { signal });
      await unwrapSingleFolder(staging);
    }
    if (!(await exists(join(staging, name)))) throw new InstallFailedError(`${basename(file)} was unpacked but holds no ${name}`);
    await makeExecutable(join(staging, name));
    await writeBuildMarkers(staging, markers);
    onProgress?.({ stage: "finishing" });
    await replaceFolder(staging, folder);
  } finally {
    await rm(staging, { recursive: true, force: true });
    // What is damaged must not be found whole by the next try.
    await rm(file, { force: true });
    await rmdir(dirname(file)).catch(() => undefined); // Others may have left a part there that their next try goes on with.
  }
  await rm(previousFolder(folder), { recursive: true, force: true });
}
