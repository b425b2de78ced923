import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { acquireFileLock, ProcessRecords } from "../../../platform/index.ts";
import {
  type CommandResult,
  InstallFailedError,
  type InstallProgressListener,
  createStagingFolder,
  exists,
  previousFolder,
  readBuildMarkers,
  recoverInterruptedReplacement,
  replaceFolder,
  runCommand,
  tieToParent,
  writeBuildMarkers,
} from "../../install/index.ts";
import { EXECUTABLE } from "../find-executable.ts";
import { probeVersion } from "../probe-build.ts";
import { parseBuildProgress } from "./build-progress.ts";
import { findBuildTools } from "./build-tools.ts";

export interface BuildFromSourceOptions {
  /** The git bundle with llama.cpp's source. */
  readonly bundlePath: string;
  /** Tag of that source, for `version.txt`. */
  readonly tag: string;
  /** The folder to install into, such as `<cache>/bin/llamacpp/from-source`. */
  readonly destination: string;
  /** Folder of unfinished builds, such as `<cache>/build`; what an interrupted build has done is used by the next one. */
  readonly buildRoot: string;
  /** Compilers at once. Defaults to one per processor, as far as 1.5 GB of memory each allow. */
  readonly jobs?: number | undefined;
  /** Further CMake switches, such as `-DGGML_VULKAN=ON`; they come last, so they win. */
  readonly cmakeArgs?: readonly string[] | undefined;
  /** Builds even when this tag is installed already. */
  readonly force?: boolean | undefined;
  /** Whole environment of git, CMake and the compilers; inherits ours when absent. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly onProgress?: InstallProgressListener | undefined;
  /** Aborting ends every compiler; a later call goes on where this one was. */
  readonly signal?: AbortSignal | undefined;
}

export interface InstalledLlamaServer {
  readonly executable: string;
  readonly tag: string;
  /** What the program says with `--version`. */
  readonly version: string;
}

const CMAKE_SWITCHES = [
  "-DCMAKE_BUILD_TYPE=Release",
  // One file without libraries beside it: nothing to lose when it is moved.
  "-DBUILD_SHARED_LIBS=OFF",
  "-DLLAMA_BUILD_TESTS=OFF",
  "-DLLAMA_BUILD_EXAMPLES=OFF",
  // Only llama-server's own downloads would use it, and those are ours.
  "-DLLAMA_OPENSSL=OFF",
  // The web page is fetched or built with npm during the build otherwise.
  "-DLLAMA_BUILD_UI=OFF",
  "-DLLAMA_USE_PREBUILT_UI=OFF",
];

/** The largest source files of llama.cpp need that much in one compiler. */
const BYTES_PER_JOB = 1.5e9;

/**
 * Compiles `llama-server` and installs it. Needs git, CMake, a C++ compiler, and make or ninja. Two callers, also in different
 * processes, build once: the second waits and finds the result.
 * @throws `INSTALL_FAILED`: names missing programs, or carries the last lines of the failing step.
 */
export async function buildLlamaCppFromSource(options: BuildFromSourceOptions): Promise<InstalledLlamaServer> {
  const { destination, buildRoot, tag, force = false, onProgress, signal } = options;
  await using _lock = await acquireFileLock(join(buildRoot, "llamacpp.lock"), {
    onWait: (holder) => onProgress?.({ stage: "waiting", detail: `${holder} is building llama.cpp` }),
    signal,
  });
  await recoverInterruptedReplacement(destination);
  if (!force) {
    const installed = await findInstalled(destination, tag, options);
    if (installed !== undefined) return installed;
  }
  const records = new ProcessRecords(join(buildRoot, "processes"));
  // Compilers of a builder that was killed would write into the same files as ours.
  await records.reapLeftovers();
  const { hasNinja } = await findBuildTools(options);
  const build = new SourceBuild(options, records, hasNinja);
  const executable = await build.run();
  onProgress?.({ stage: "checking" });
  const version = await probeVersion(executable, options);
  onProgress?.({ stage: "finishing" });
  await install(executable, options);
  await build.removeAll();
  return { executable: join(destination, EXECUTABLE), tag, version };
}

async function findInstalled(
  destination: string,
  tag: string,
  options: Pick<BuildFromSourceOptions, "env" | "signal">,
): Promise<InstalledLlamaServer | undefined> {
  const markers = await readBuildMarkers(destination);
  const executable = join(destination, EXECUTABLE);
  if (markers?.version !== tag || markers.backend !== "from-source" || !(await exists(executable))) return undefined;
  try {
    return { executable, tag, version: await probeVersion(executable, options) };
  } catch (error) {
    // It ran once; the system around it has changed (a library was upgraded away), so a new build is what helps.
    if (error instanceof InstallFailedError) return undefined;
    throw error;
  }
}

async function install(executable: string, { destination, tag }: BuildFromSourceOptions): Promise<void> {
  const staging = await createStagingFolder(destination);
  try {
    await copyFile(executable, join(staging, EXECUTABLE));
    await chmod(join(staging, EXECUTABLE), 0o755);
    await writeBuildMarkers(staging, { version: tag, backend: "from-source" });
    await replaceFolder(staging, destination);
    // It has answered before the move, so there is nothing to roll back to.
    await rm(previousFolder(destination), { recursive: true, force: true });
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** The steps from bundle to executable in one folder whose name says what is built: another source or other switches, another folder. */
class SourceBuild {
  readonly #options: BuildFromSourceOptions;
  readonly #records: ProcessRecords;
  readonly #generator: readonly string[];
  readonly #switches: readonly string[];

  constructor(options: BuildFromSourceOptions, records: ProcessRecords, hasNinja: boolean) {
    this.#options = options;
    this.#records = records;
    this.#generator = hasNinja ? ["-G", "Ninja"] : [];
    this.#switches = [...CMAKE_SWITCHES, ...(options.cmakeArgs ?? [])];
  }

  async run(): Promise<string> {
    const folder = await this.#folder();
    await this.#unpack(folder);
    await this.#configure(folder);
    await this.#compile(folder);
    return await findExecutable(join(folder, "build", "bin"));
  }

  /** Removes this build and what interrupted builds of other sources left. */
  async removeAll(): Promise<void> {
    const { buildRoot } = this.#options;
    const names = (await readdir(buildRoot)).filter((name) => name.startsWith("llama.cpp-"));
    await Promise.all(names.map((name) => rm(join(buildRoot, name), { recursive: true, force: true })));
  }

  async #folder(): Promise<string> {
    const { bundlePath, buildRoot, tag } = this.#options;
    if (!(await exists(bundlePath))) throw new InstallFailedError(`The source of llama.cpp is not where it should be: ${bundlePath}`);
    const { lines } = await this.#step("Reading the source bundle", "git", ["bundle", "list-heads", bundlePath]);
    const key = createHash("sha256").update(JSON.stringify([lines, this.#generator, this.#switches]));
    return join(buildRoot, `llama.cpp-${tag.replaceAll(/[^\w.-]/g, "_")}-${key.digest("hex").slice(0, 12)}`);
  }

  async #unpack(folder: string): Promise<void> {
    const source = join(folder, "source");
    if (await exists(source)) return;
    this.#options.onProgress?.({ stage: "unpacking" });
    const partial = join(folder, "source.partial");
    await rm(partial, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const config = ["-c", "advice.detachedHead=false", "-c", "core.autocrlf=false"];
    await this.#step("Unpacking the source", "git", [...config, "clone", "--quiet", this.#options.bundlePath, partial]);
    await rename(partial, source);
  }

  async #configure(folder: string): Promise<void> {
    this.#options.onProgress?.({ stage: "configuring" });
    const paths = ["-S", join(folder, "source"), "-B", join(folder, "build")];
    await this.#step("Configuring", "cmake", [...paths, ...this.#generator, ...this.#switches]);
  }

  async #compile(folder: string): Promise<void> {
    const { onProgress, jobs = defaultJobs() } = this.#options;
    onProgress?.({ stage: "compiling", fraction: 0 });
    let fraction = 0;
    const onLine = (line: string): void => {
      fraction = Math.max(fraction, parseBuildProgress(line) ?? 0);
      onProgress?.({ stage: "compiling", fraction, detail: line.replace(/^\[[^\]]*\]\s*/, "") });
    };
    const { command, args } = await compileCommand(join(folder, "build"), jobs);
    await this.#step("Compiling", command, args, onLine);
  }

  async #step(name: string, command: string, args: readonly string[], onLine?: (line: string) => void): Promise<CommandResult> {
    const { env, signal } = this.#options;
    const result = await runCommand(command, args, { env, signal, onLine, records: this.#records });
    if (result.exitCode === 0) return result;
    const how = result.failure ?? `exit code ${result.exitCode}`;
    throw new InstallFailedError(`${name} of llama.cpp failed: ${command} ended with ${how}`, {
      logTail: result.lines.slice(-40),
      // The kernel kills the compiler, not make, so the only trace is in its words.
      hint: result.lines.some((line) => /Killed signal|out of memory/i.test(line))
        ? "The compiler ran out of memory: close other programs, or build with fewer jobs."
        : undefined,
    });
  }
}

/**
 * The configured make or ninja, called without `cmake --build` between us: CMake dies at the first signal and leaves ninja no time
 * to end its compilers.
 */
async function compileCommand(buildFolder: string, jobs: number): Promise<{ readonly command: string; readonly args: readonly string[] }> {
  const cache = await readFile(join(buildFolder, "CMakeCache.txt"), "utf8");
  const program = /^CMAKE_MAKE_PROGRAM:\w+=(.+)$/m.exec(cache)?.[1]?.trim();
  if (process.platform === "win32" || program === undefined) {
    const args = ["--build", buildFolder, "--config", "Release", "--target", "llama-server", "--parallel", String(jobs)];
    return { command: "cmake", args };
  }
  return tieToParent(program, ["-C", buildFolder, "-j", String(jobs), "llama-server"]);
}

/** Generators of several configurations (Visual Studio, Xcode) put the program one folder deeper. */
async function findExecutable(binFolder: string): Promise<string> {
  for (const path of [join(binFolder, EXECUTABLE), join(binFolder, "Release", EXECUTABLE)]) {
    if (await exists(path)) return path;
  }
  throw new InstallFailedError(`The build ended well but left no ${EXECUTABLE} in ${binFolder}`);
}

function defaultJobs(): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / BYTES_PER_JOB)));
}
