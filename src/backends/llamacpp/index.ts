import { errorMessage, RouterError } from "../../errors.ts";
import type { Backend, BackendContext } from "../backend.ts";
import { EngineProcess, type LaunchPlan } from "../engine-process.ts";
import { engineEnvironment } from "./engine-environment.ts";
import { findExecutable, type LlamaCppExecutable } from "./find-executable.ts";
import { readEnvFile } from "./install/read-env-file.ts";
import { RELEASE_VARIANTS, type ReleaseVariant } from "./install/release-variants.ts";
import type { LaunchRequest } from "../wrapped-server.ts";
import { launchArguments, type LaunchArgumentsOptions } from "./launch-arguments.ts";
import { probeBuild } from "./probe-build.ts";

export interface LlamaCppOptions {
  readonly context: BackendContext;
  readonly binDir: string;
  /** Path of a llama-server to use, or undefined to look for one. */
  readonly executable: string | undefined;
  /** `auto`, or one of the installed variants. */
  readonly variant: string;
  readonly isCpuFallbackOff: boolean;
  readonly seed?: number | undefined;
  /** The user's own executables by variant. */
  readonly own?: Readonly<Record<string, string>> | undefined;
  /** Which published variants can use this machine's hardware. */
  readonly usableVariants?: (() => Promise<readonly string[]>) | undefined;
  /** Installs the pinned build of a variant, or replaces an older one. Without it only what is here is used. */
  readonly install?: ((variant: ReleaseVariant, signal: AbortSignal) => Promise<void>) | undefined;
}

export interface LlamaCppBackend extends Backend {
  /** The executable that the next start would use. */
  find(): Promise<LlamaCppExecutable | undefined>;
}

/** The backend that runs the `llama-server` program of llama.cpp. */
export function createLlamaCppBackend(options: LlamaCppOptions): LlamaCppBackend {
  const { context, binDir, variant, own = {} } = options;
  const find = async () =>
    await findExecutable({
      named: options.executable,
      variant,
      binDir,
      searchPath: context.env["PATH"],
      own,
      usableVariants: options.usableVariants,
    });
  const prepare = createPreparation(options, find);
  const probe = async () => {
    const found = await find();
    return found === undefined ? undefined : { found, build: await probeBuild(found.path) };
  };
  return {
    name: "llamacpp",
    find,
    help: async () => (await probe())?.build.help,
    buildInfo: async () => (await probe())?.build.buildInfo,
    async describeLaunch(request) {
      const installed = await probe();
      if (installed === undefined) return undefined;
      const { found, build } = installed;
      const useGpu = found.variant !== "cpu";
      return [found.path, ...argumentsOf(request, { found, flags: build.flags, port: 0, useGpu, seed: options.seed })];
    },
    async createServer(request, { signal }) {
      await prepare(signal);
      const installed = await probe();
      if (installed === undefined) throw notInstalled(options);
      const { found, build } = installed;
      const env = { ...(await envFileOf(found, context)), ...engineEnvironment(found, context.env) };
      const isCpuOnly = found.variant === "cpu";
      const plan = (port: number, useGpu: boolean): LaunchPlan => ({
        command: found.path,
        args: argumentsOf(request, { found, flags: build.flags, port, useGpu, seed: options.seed }),
        env,
      });
      plan(0, !isCpuOnly); // Arguments that cannot work are refused here, before anything makes room for this engine.
      const note = `${request.model} did not start on the GPU and runs on the CPU now; see the log, or set LEMONADE_LLAMACPP_NO_FALLBACK=1 to fail instead`;
      return new EngineProcess({
        backend: "llamacpp",
        context,
        request,
        followsInput: knowsRouterMode(build.flags),
        plansFor: (port) => {
          if (isCpuOnly) return [plan(port, false)];
          return options.isCpuFallbackOff ? [plan(port, true)] : [plan(port, true), { ...plan(port, false), note }];
        },
      });
    },
  };
}

/**
 * Before a start: a published variant that was asked for by name is installed, and one whose pin has moved is replaced; when that fails
 * the older one serves. Tried once for each variant: a start must not wait for a network that is not there again and again.
 */
function createPreparation(
  options: LlamaCppOptions,
  find: () => Promise<LlamaCppExecutable | undefined>,
): (signal: AbortSignal) => Promise<void> {
  const { context, executable, variant, own = {}, install } = options;
  const tried = new Set<string>();
  return async (signal) => {
    if (executable !== undefined || install === undefined) return;
    const found = await find();
    const wanted = RELEASE_VARIANTS.find((name) => name === (found?.variant ?? variant));
    if (wanted === undefined || (found !== undefined && (found.path === own[wanted] || tried.has(wanted)))) return;
    try {
      await install(wanted, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (found === undefined) throw error;
      context.log.warning("llamacpp", `${errorMessage(error)}; the installed build serves`);
    }
    tried.add(wanted);
  };
}

/** Builds before llama.cpp's router mode (December 2025) do not look at their standard input. Of one without a help text we assume the best. */
function knowsRouterMode(flags: ReadonlySet<string>): boolean {
  return flags.size === 0 || flags.has("--models-max");
}

/** Variables beside the executable, such as the device of a ROCm build; those of our own environment win. */
async function envFileOf(found: LlamaCppExecutable, { env }: BackendContext): Promise<Record<string, string>> {
  const variables = Object.entries(await readEnvFile(found.path));
  return Object.fromEntries(variables.filter(([name]) => env[name] === undefined));
}

interface Launch extends Pick<LaunchArgumentsOptions, "flags" | "port" | "useGpu" | "seed"> {
  readonly found: LlamaCppExecutable;
}

function argumentsOf(request: LaunchRequest, { found, ...launch }: Launch): string[] {
  return launchArguments({ request, ...launch, contextShift: found.variant === "vulkan" || found.variant === "rocm" });
}

function notInstalled({ executable, variant }: LlamaCppOptions): RouterError {
  if (executable !== undefined) {
    return new RouterError("BACKEND_NOT_INSTALLED", `There is no executable llama-server at ${executable}`, {
      hint: "Check --llamacpp-bin or LEMONADE_LLAMACPP_BIN.",
    });
  }
  return new RouterError("BACKEND_NOT_INSTALLED", `No llama-server (${variant}) is installed`, {
    hint: "Install one with `lemonade install llamacpp`, build one with `--from-source`, or name one with --llamacpp-bin.",
  });
}
