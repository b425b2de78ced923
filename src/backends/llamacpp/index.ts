import { RouterError } from "../../errors.ts";
import type { Backend, BackendContext } from "../backend.ts";
import { EngineProcess, type LaunchPlan } from "../engine-process.ts";
import { engineEnvironment } from "./engine-environment.ts";
import { findExecutable, type LlamaCppExecutable } from "./find-executable.ts";
import { launchArguments } from "./launch-arguments.ts";
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
}

export interface LlamaCppBackend extends Backend {
  /** The executable that the next start would use. */
  find(): Promise<LlamaCppExecutable | undefined>;
}

/** The backend that runs the `llama-server` program of llama.cpp. */
export function createLlamaCppBackend(options: LlamaCppOptions): LlamaCppBackend {
  const { context, binDir, variant } = options;
  const find = () => findExecutable({ named: options.executable, variant, binDir, searchPath: context.env["PATH"] });
  return {
    name: "llamacpp",
    find,
    async createServer(request) {
      const found = await find();
      if (found === undefined) throw notInstalled(options);
      const { flags } = await probeBuild(found.path);
      const isCpuOnly = found.variant === "cpu";
      const plan = (port: number, useGpu: boolean): LaunchPlan => ({
        command: found.path,
        args: launchArguments({
          request,
          port,
          flags,
          useGpu,
          contextShift: found.variant === "vulkan" || found.variant === "rocm",
          seed: options.seed,
        }),
        env: engineEnvironment(found, context.env),
      });
      const note = `${request.model} did not start on the GPU and runs on the CPU now; see the log, or set LEMONADE_LLAMACPP_NO_FALLBACK=1 to fail instead`;
      return new EngineProcess({
        backend: "llamacpp",
        context,
        request,
        plansFor: (port) => {
          if (isCpuOnly) return [plan(port, false)];
          return options.isCpuFallbackOff ? [plan(port, true)] : [plan(port, true), { ...plan(port, false), note }];
        },
      });
    },
  };
}

function notInstalled({ executable, variant }: LlamaCppOptions): RouterError {
  if (executable !== undefined) {
    return new RouterError("BACKEND_NOT_INSTALLED", `There is no executable llama-server at ${executable}`, {
      hint: "Check --llamacpp-bin or LEMONADE_LLAMACPP_BIN.",
    });
  }
  return new RouterError("BACKEND_NOT_INSTALLED", `No llama-server (${variant}) is installed`, {
    hint: "Build one with `lemonade install llamacpp --from-source`, or name one with --llamacpp-bin.",
  });
}
