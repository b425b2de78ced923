import { errorMessage, InstanceExitedError, RouterError } from "../../errors.ts";
import type { Backend, BackendContext } from "../backend.ts";
import { EngineProcess, type LaunchPlan } from "../engine-process.ts";
import { explainStartFailure } from "../explain-start-failure.ts";
import { launchEnvironment } from "./engine-environment.ts";
import { LlamaCppOutput } from "./engine-output.ts";
import { findExecutable, type FindOptions, type LlamaCppExecutable } from "./find-executable.ts";
import { RELEASE_VARIANTS, type ReleaseVariant } from "./install/release-variants.ts";
import type { LaunchRequest } from "../wrapped-server.ts";
import { launchArguments, type LaunchArgumentsOptions } from "./launch-arguments.ts";
import { probeBuild, type FailedProbe, type LlamaCppBuild } from "./probe-build.ts";

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
  /** Which published variants can use this machine's hardware, if that is known. */
  readonly usableVariants?: FindOptions["usableVariants"];
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
  /** What the next start would use, and what it told; its environment comes on top of the inherited one. */
  const probe = async (signal?: AbortSignal) => {
    const found = await find();
    if (found === undefined) return undefined;
    const env = await launchEnvironment(found, context.env);
    return { found, env, build: await probeBuild(found.path, { env: { ...context.env, ...env }, signal }) };
  };
  const knownBuild = async (): Promise<LlamaCppBuild | undefined> => {
    const build = (await probe())?.build;
    return build === undefined || "failure" in build ? undefined : build;
  };
  return {
    name: "llamacpp",
    find,
    help: async () => (await knownBuild())?.help,
    buildInfo: async () => (await knownBuild())?.buildInfo,
    async describeLaunch(request) {
      const installed = await probe();
      if (installed === undefined || "failure" in installed.build) return undefined;
      const { found, build } = installed;
      const useGpu = found.variant !== "cpu";
      return [found.path, ...argumentsOf(request, { found, flags: build.flags, port: 0, useGpu, seed: options.seed })];
    },
    async createServer(request, { signal }) {
      await prepare(signal);
      const installed = await probe(signal);
      if (installed === undefined) throw notInstalled(options);
      const { found, env, build } = installed;
      if ("failure" in build) throw explainFailedProbe(request.model, build);
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
        readOutput: (onFact) => new LlamaCppOutput(onFact),
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

interface Launch extends Pick<LaunchArgumentsOptions, "flags" | "port" | "useGpu" | "seed"> {
  readonly found: LlamaCppExecutable;
}

function argumentsOf(request: LaunchRequest, { found, ...launch }: Launch): string[] {
  return launchArguments({ request, ...launch, contextShift: found.variant === "vulkan" || found.variant === "rocm" });
}

function explainFailedProbe(model: string, { failure, lines }: FailedProbe): RouterError {
  const cause = new InstanceExitedError(model, { how: failure, logTail: lines });
  return explainStartFailure({ model, backend: "llamacpp", cause });
}

function notInstalled({ executable, variant }: LlamaCppOptions): RouterError {
  if (executable !== undefined) {
    return new RouterError("BACKEND_NOT_INSTALLED", `There is no executable llama-server at ${executable}`, {
      hint: "Check --llamacpp-bin or LEMONADE_LLAMACPP_BIN.",
    });
  }
  // Without its variant the one that fits this machine is installed, which may be another.
  const isPublished = RELEASE_VARIANTS.some((published) => published === variant);
  const name = isPublished ? `llamacpp:${variant}` : "llamacpp";
  return new RouterError("BACKEND_NOT_INSTALLED", `No llama-server (${variant}) is installed`, {
    hint: `Install one with \`lemonade install ${name}\`, build one with \`--from-source\`, or name one with --llamacpp-bin.`,
  });
}
