import { InstallFailedError, runCommand, type RunCommandOptions } from "../../install/index.ts";

/** A first start from a cold disk, with a virus scanner reading along, takes seconds; a program that hangs never ends. */
const PROBE_TIMEOUT_MS = 60_000;

type ProbeOptions = Pick<RunCommandOptions, "env" | "signal">;

/**
 * Starts a llama-server with `--version` to see that it runs on this machine: its libraries are found and its instructions known.
 * @returns The version text, such as `0.5.0-dev (build 1, commit de3ff81)`.
 * @throws `INSTALL_FAILED` with the program's last lines.
 */
export async function probeLlamaServer(path: string, options: ProbeOptions = {}): Promise<string> {
  const { exitCode, failure, lines } = await runCommand(path, ["--version"], { ...options, timeoutMs: PROBE_TIMEOUT_MS });
  const version = parseVersionLine(lines);
  if (exitCode === 0 && version !== undefined) return version;
  const how = failure ?? (exitCode === 0 ? "it printed no version" : `exit code ${exitCode}`);
  throw new InstallFailedError(`The new llama-server does not start (${how})`, {
    logTail: lines.slice(-20),
    hint: explainFailedStart(lines.join("\n"), failure),
  });
}

/** Names of the devices that a build can use, such as `NVIDIA GeForce RTX 5090`; `undefined` when it does not say (older builds). */
export async function probeDevices(path: string, options: ProbeOptions = {}): Promise<readonly LlamaDevice[] | undefined> {
  const { exitCode, lines } = await runCommand(path, ["--list-devices"], { ...options, timeoutMs: PROBE_TIMEOUT_MS });
  return exitCode === 0 ? parseDeviceList(lines) : undefined;
}

export interface LlamaDevice {
  /** What `--device` takes: `Vulkan0`, `CUDA1`, `ROCm0`, `MTL0`. */
  readonly id: string;
  readonly name: string;
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

/** `--version` prints a log line before and the compiler after the line we want; some builds print to stderr, others to stdout. */
export function parseVersionLine(lines: readonly string[]): string | undefined {
  for (const line of lines) {
    const match = /\bversion:\s*(\S.*)$/.exec(line);
    if (match !== null) return match[1]?.trim();
  }
  return undefined;
}

/** What the words of the loader mean for somebody who wants a running program. */
export function explainFailedStart(output: string, failure: string | undefined): string | undefined {
  const fromSource = "`lemonade install llamacpp --from-source` builds one for this system.";
  if (/GLIBC(XX)?_[\d.]+' not found/.test(output)) return `This system's C library is older than the published builds need; ${fromSource}`;
  const library = /error while loading shared libraries: ([^:\s]+)/.exec(output)?.[1];
  if (library !== undefined) return `Install the system's package that has ${library}.`;
  if (failure?.includes("SIGILL") === true) return `This processor lacks instructions that the published build uses; ${fromSource}`;
  // A file that is there and still "not found": its loader is missing, as on musl systems.
  return failure?.includes("ENOENT") === true ? `The published builds do not fit this system; ${fromSource}` : undefined;
}
