import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface LlamaCppBuild {
  /** As in `version: 0.5.0-dev (build 1, commit de3ff81)`; undefined when the program did not say. */
  readonly version: string | undefined;
  /** As the program itself says it over HTTP, `b1-de3ff81`; `b0-unknown` when it did not say. */
  readonly buildInfo: string;
  /** What `--help` prints. */
  readonly help: string;
  /** Every flag of its help text; flags come and go, and an unknown one ends the start. */
  readonly flags: ReadonlySet<string>;
}

const PROBE_TIMEOUT_MS = 20_000;
const known = new Map<string, Promise<LlamaCppBuild>>();

/** Asks an installed build what it is and which flags it knows; cached per executable and its time stamp. */
export async function probeBuild(executable: string): Promise<LlamaCppBuild> {
  const { mtimeMs } = await stat(executable);
  const key = `${executable}\0${mtimeMs}`;
  const probe = known.get(key) ?? askBuild(executable);
  known.set(key, probe);
  // A failed probe is not remembered: the next start asks again.
  probe.catch(() => known.delete(key));
  return await probe;
}

async function askBuild(executable: string): Promise<LlamaCppBuild> {
  const options = { timeout: PROBE_TIMEOUT_MS, maxBuffer: 8 * 2 ** 20 };
  const [help, version] = await Promise.all([run(executable, ["--help"], options), run(executable, ["--version"], options)]);
  const told = version.stderr + version.stdout;
  return { version: parseVersion(told), buildInfo: parseBuildInfo(told), help: help.stdout, flags: parseFlags(help.stdout) };
}

/** `version: 0.5.0-dev (build 1, commit …)` since August 2026, `version: 9775 (de3ff81)` before. */
export function parseVersion(text: string): string | undefined {
  return /version: (\S+)/.exec(text)?.[1];
}

/** The build and the commit behind the version: `(build 1, commit de3ff81)`, or in older texts `9775 (de3ff81)`. */
export function parseBuildInfo(text: string): string {
  const newer = /version: .*\(build (\d+), commit (\w+)\)/.exec(text);
  const older = /version: (\d+) \((\w+)\)/.exec(text);
  const [, build = "0", commit = "unknown"] = newer ?? older ?? [];
  return `b${build}-${commit}`;
}

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
