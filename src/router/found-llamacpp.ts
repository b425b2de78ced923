import { findExecutable, launchEnvironment, probeBuild, type LlamaCppExecutable } from "../backends/installers/index.ts";
import type { Settings } from "../config/index.ts";
import type { EngineStatus } from "./engine-status.ts";

interface Parts {
  readonly settings: Settings;
  /** What engines inherit. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How long a program may take to say its version. */
  readonly patienceMs: number;
}

/** The llama-servers that nobody installed with us: the one on PATH, and the one that `--llamacpp-bin` names. */
export async function describeFoundLlamaCpp(parts: Parts): Promise<readonly EngineStatus[]> {
  const { settings, env } = parts;
  const named = settings.llamacppBin;
  const find = async (path: string | undefined) =>
    await findExecutable({ named: path, variant: "system", binDir: settings.binDir, searchPath: env["PATH"] });
  const onPath = await describeProgram(await find(undefined), parts, {
    missing: "No llama-server is on PATH",
    use: "Found on PATH; used where no build is installed",
  });
  const system: EngineStatus = { name: { backend: "llamacpp", variant: "system" }, ...onPath };
  if (named === undefined) return [system];
  const texts = { missing: `There is no executable file at ${named}`, use: "Named by --llamacpp-bin: used instead of all others" };
  return [system, { name: { backend: "llamacpp", variant: "bin" }, ...(await describeProgram(await find(named), parts, texts)) }];
}

async function describeProgram(
  found: LlamaCppExecutable | undefined,
  { env, patienceMs }: Parts,
  { missing, use }: { readonly missing: string; readonly use: string },
): Promise<Omit<EngineStatus, "name">> {
  const nothing = { installed: undefined, availableVersion: undefined, isUsable: false, isDefault: false };
  if (found === undefined) return { ...nothing, reason: missing };
  const { path } = found;
  const probe = probeBuild(path, { env: { ...env, ...(await launchEnvironment(found, env)) } });
  const build = await within(patienceMs, probe);
  if (build !== undefined && "failure" in build) return { ...nothing, reason: `${path} does not start (${build.failure})` };
  return { ...nothing, installed: { version: build?.buildInfo ?? "unknown", path }, isUsable: true, reason: use };
}

/** The answer, unless it takes longer; then it is not waited for, and known the next time. */
async function within<T>(patienceMs: number, answer: Promise<T>): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, patienceMs, undefined);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
