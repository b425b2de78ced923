import { join } from "node:path";
import type { Backend, BackendContext } from "../backend.ts";
import { EngineProcess } from "../engine-process.ts";
import { logProgress } from "../install/describe-progress.ts";
import type { StartOptions } from "../wrapped-server.ts";
import { findEmbeddedEngine, installEmbeddedEngine } from "./install-engine.ts";
import { workerArguments } from "./worker-arguments.ts";
import { workerCommand } from "./worker-command.ts";

export {
  EMBEDDED_ENGINE_PINS,
  findEmbeddedEngine,
  installEmbeddedEngine,
  uninstallEmbeddedEngine,
  type InstalledEmbeddedEngine,
} from "./install-engine.ts";

export interface EmbeddedOptions {
  readonly context: BackendContext;
  readonly binDir: string;
  readonly seed?: number | undefined;
}

/** The folder of the embedded engine below the install folder. */
export function embeddedEngineFolder(binDir: string): string {
  return join(binDir, "embedded");
}

/** The backend that runs llama.cpp inside a worker process of ours, through the npm package node-llama-cpp: no separate program needed. */
export function createEmbeddedBackend({ context, binDir, seed }: EmbeddedOptions): Backend {
  const directory = embeddedEngineFolder(binDir);
  return {
    name: "embedded",
    async describeLaunch(request) {
      const engine = await findEmbeddedEngine(directory);
      if (engine === undefined) return undefined;
      return [process.execPath, ...workerCommand().prefix, ...(await workerArguments(engine.folder, request, seed)).args(0)];
    },
    async buildInfo() {
      const engine = await findEmbeddedEngine(directory);
      // Its llama.cpp has a version but no build number, and clients look for digits behind the b.
      return engine === undefined ? undefined : `b0-${engine.llamaSource.tag}`;
    },
    async createServer(request, start) {
      const engine = (await findEmbeddedEngine(directory)) ?? (await install(directory, context, start));
      const { args, leftOut } = await workerArguments(engine.folder, request, seed);
      for (const flag of leftOut) context.log.warning(request.model, `the embedded engine has no option ${flag}: it is left out`);
      const { command, prefix } = workerCommand();
      return new EngineProcess({
        backend: "embedded",
        context,
        request,
        // The settings of Bun in the user's folder are not for our worker.
        plansFor: (port) => [{ command, args: [...prefix, ...args(port)], cwd: engine.folder }],
      });
    },
  };
}

/** On first use; whoever waits for the model sees how far it is. */
async function install(
  directory: string,
  { log, env }: BackendContext,
  { signal, onProgress }: Pick<StartOptions, "signal" | "onProgress">,
) {
  log.info("install", "installing the embedded engine (85 MB, once)");
  const report = logProgress(log, "embedded");
  return await installEmbeddedEngine({
    directory,
    env,
    signal,
    onProgress(progress) {
      report(progress);
      const stage = `installing the embedded engine: ${progress.stage}`;
      onProgress?.({ stages: [stage], stage, fraction: progress.fraction ?? 0 });
    },
  });
}
