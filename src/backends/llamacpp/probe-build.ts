import { stat } from "node:fs/promises";
import { SharedWork } from "../../platform/index.ts";
import { InstallFailedError } from "../install/install-error.ts";
import { runCommand, type CommandResult, type RunCommandOptions } from "../install/run-command.ts";

export interface LlamaCppBuild {
  /** As the program itself says it over HTTP: `b1-de3ff81`; `b0-unknown` when it did not say. */
  readonly buildInfo: string;
  /** What `--help` prints. */
  readonly help: string;
  /** Every flag of its help text; flags come and go, and an unknown one ends the start. */
  readonly flags: ReadonlySet<string>;
}

/** How a program ended that did not tell what it knows: it cannot be started with a model either. */
export interface FailedProbe {
  /** `exit code 127`, `signal SIGILL`. */
  readonly failure: string;
  readonly lines: readonly string[];
}

/** The environment should be the one that it will be started with: its libraries must be found, and no option may come along. */
export type ProbeOptions = Pick<RunCommandOptions, "env" | "signal">;

/** A first start from a cold disk, with a virus scanner reading along, takes seconds; a program that hangs never ends. */
const PROBE_TIMEOUT_MS = 30_000;
const known = new Map<string, SharedWork<LlamaCppBuild | FailedProbe>>();

/** Asks an installed build what it is and which flags it knows; cached per executable and its time stamp. */
export async function probeBuild(executable: string, { env, signal }: ProbeOptions): Promise<LlamaCppBuild | FailedProbe> {
  const { mtimeMs } = await stat(executable);
  const key = `${executable}\0${mtimeMs}`;
  let probe = known.get(key);
  if (probe === undefined || probe.isAbandoned) {
    probe = new SharedWork(async (working) => await askBuild(executable, { env, signal: working }));
    known.set(key, probe);
  }
  const build = await probe.join(signal);
  // What failed is asked again by the next start: a library may have been installed meanwhile.
  if ("failure" in build && known.get(key) === probe) known.delete(key);
  return build;
}

async function askBuild(executable: string, options: ProbeOptions): Promise<LlamaCppBuild | FailedProbe> {
  const [help, version] = await Promise.all([ask(executable, "--help", options), ask(executable, "--version", options)]);
  if (help.exitCode !== 0) return { failure: howItEnded(help), lines: help.lines };
  const text = help.lines.join("\n");
  return { buildInfo: parseBuildInfo(version.lines), help: text, flags: parseFlags(text) };
}

/**
 * Starts a llama-server with `--version` to see that it runs on this machine: its libraries are found and its instructions known.
 * @returns The version text, such as `0.5.0-dev (build 1, commit de3ff81)`.
 * @throws `INSTALL_FAILED` with the program's last lines.
 */
export async function probeVersion(executable: string, options: ProbeOptions): Promise<string> {
  const result = await ask(executable, "--version", options);
  const version = parseVersion(result.lines);
  if (result.exitCode === 0 && version !== undefined) return version;
  const how = result.exitCode === 0 ? "it printed no version" : howItEnded(result);
  throw new InstallFailedError(`The new llama-server does not start (${how})`, {
    logTail: result.lines.slice(-20),
    hint: explainFailedStart(result),
  });
}

export interface LlamaDevice {
  /** What `--device` takes: `Vulkan0`, `CUDA1`, `ROCm0`, `MTL0`. */
  readonly id: string;
  readonly name: string;
}

/** The devices that a build can use, such as `NVIDIA GeForce RTX 5090`; `undefined` when it does not say (older builds). */
export async function probeDevices(executable: string, options: ProbeOptions): Promise<readonly LlamaDevice[] | undefined> {
  const { exitCode, lines } = await ask(executable, "--list-devices", options);
  return exitCode === 0 ? parseDeviceList(lines) : undefined;
}

async function ask(executable: string, question: string, options: ProbeOptions): Promise<CommandResult> {
  return await runCommand(executable, [question], { ...options, timeoutMs: PROBE_TIMEOUT_MS });
}

const howItEnded = ({ failure, exitCode }: CommandResult): string => failure ?? `exit code ${exitCode}`;

/** The option column of the help text: lines begin with `-x, --long VALUE`, explanations are indented. */
export function parseFlags(help: string): ReadonlySet<string> {
  const flags = new Set<string>();
  for (const line of help.split("\n")) {
    if (!line.startsWith("-")) continue;
    const column = line.split(/(?<![,\s])\s{2,}/, 1)[0] ?? "";
    for (const match of column.matchAll(/(?:^|[\s,])(--?[a-zA-Z][\w-]*)/g)) if (match[1] !== undefined) flags.add(match[1]);
  }
  return flags;
}

/**
 * The text of `version: 0.5.0-dev (build 1, commit de3ff81)` (since August 2026) or `version: 9775 (de3ff81)`. A log line comes before
 * and the compiler after it; some builds print to stderr, others to stdout.
 */
export function parseVersion(lines: readonly string[]): string | undefined {
  for (const line of lines) {
    const match = /\bversion:\s*(\S.*)$/.exec(line);
    if (match !== null) return match[1]?.trim();
  }
  return undefined;
}

/** The build and the commit in the version: `(build 1, commit de3ff81)`, or in older texts `9775 (de3ff81)`. */
export function parseBuildInfo(lines: readonly string[]): string {
  const version = parseVersion(lines) ?? "";
  const newer = /\(build (\d+), commit (\w+)\)/.exec(version);
  const older = /^(\d+) \((\w+)\)/.exec(version);
  const [, build = "0", commit = "unknown"] = newer ?? older ?? [];
  return `b${build}-${commit}`;
}

/** After the heading, one line per device: `  Vulkan0: AMD Radeon RX 7900 XTX (24560 MiB, 24524 MiB free)`. */
export function parseDeviceList(lines: readonly string[]): readonly LlamaDevice[] | undefined {
  const heading = lines.findIndex((line) => line.startsWith("Available devices:"));
  if (heading < 0) return undefined;
  return lines.slice(heading + 1).flatMap((line) => {
    const match = /^\s+(\w[\w[\]:.]*?): (.*?)(?: \(\d+ MiB.*\))?$/.exec(line);
    return match?.[1] === undefined || match[2] === undefined ? [] : [{ id: match[1], name: match[2] }];
  });
}

/** What the words of the loader mean for somebody who wants a running program. */
export function explainFailedStart({ lines, failure }: Pick<CommandResult, "lines" | "failure">): string | undefined {
  const output = lines.join("\n");
  const fromSource = "`lemonade install llamacpp --from-source` builds one for this system.";
  if (/GLIBC(XX)?_[\d.]+' not found/.test(output)) return `This system's C library is older than the published builds need; ${fromSource}`;
  const library = /error while loading shared libraries: ([^:\s]+)/.exec(output)?.[1];
  if (library !== undefined) return `Install the system's package that has ${library}.`;
  if (failure?.includes("SIGILL") === true) return `This processor lacks instructions that the published build uses; ${fromSource}`;
  // A file that is there and still "not found": its loader is missing, as on musl systems.
  return failure?.includes("ENOENT") === true ? `The published builds do not fit this system; ${fromSource}` : undefined;
}
