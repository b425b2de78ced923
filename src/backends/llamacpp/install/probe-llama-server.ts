import { InstallFailedError, type RunCommandOptions, runCommand } from "../../install/index.ts";

/** A first start from a cold disk, with a virus scanner reading along, takes seconds; a program that hangs never ends. */
const PROBE_TIMEOUT_MS = 60_000;

/**
 * Starts a llama-server with `--version` to see that it runs on this machine: its libraries are found and its instructions known.
 * @returns The version text, such as `0.5.0-dev (build 1, commit de3ff81)`.
 * @throws `INSTALL_FAILED` with the program's last lines.
 */
export async function probeLlamaServer(path: string, options: Pick<RunCommandOptions, "env" | "signal"> = {}): Promise<string> {
  const { exitCode, failure, lines } = await runCommand(path, ["--version"], { ...options, timeoutMs: PROBE_TIMEOUT_MS });
  const version = parseVersionLine(lines);
  if (exitCode === 0 && version !== undefined) return version;
  const how = failure ?? (exitCode === 0 ? "it printed no version" : `exit code ${exitCode}`);
  throw new InstallFailedError(`The new llama-server does not start (${how})`, { logTail: lines.slice(-20) });
}

/** `--version` prints a log line before and the compiler after the line we want; older builds print to stderr, newer may not. */
function parseVersionLine(lines: readonly string[]): string | undefined {
  for (const line of lines) {
    const match = /\bversion:\s*(\S.*)$/.exec(line);
    if (match !== null) return match[1]?.trim();
  }
  return undefined;
}
