import { join } from "node:path";
import { importLater } from "../../platform/index.ts";
import type { Backend, BackendContext } from "../backend.ts";
import { EngineProcess } from "../engine-process.ts";
import { describeProgress } from "../install/describe-progress.ts";
import type { LaunchRequest, StartOptions } from "../wrapped-server.ts";
import { findEmbeddedEngine, installEmbeddedEngine } from "./install-engine.ts";
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

/** Requests that one engine answers at a time; further ones wait inside it. The number of llama-server. */
const PARALLEL_REQUESTS = 4;

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
      const { known } = await splitFlags(request);
      return [process.execPath, ...workerArguments(engine.folder, { request, port: 0, seed }), ...known.flat()];
    },
    async buildInfo() {
      const engine = await findEmbeddedEngine(directory);
      // Its llama.cpp has a version but no build number, and clients look for digits behind the b.
      return engine === undefined ? undefined : `b0-${engine.llamaSource.tag}`;
    },
    async createServer(request, start) {
      const engine = (await findEmbeddedEngine(directory)) ?? (await install(directory, context, start));
      const { known, unknown } = await splitFlags(request);
      for (const [flag] of unknown) context.log.warning(request.model, `the embedded engine has no option ${flag}: it is left out`);
      return new EngineProcess({
        backend: "embedded",
        context,
        request,
        plansFor: (port) => [
          {
            command: workerCommand().command,
            args: [...workerArguments(engine.folder, { request, port, seed }), ...known.flat()],
            // The settings of Bun in the user's folder are not for our worker.
            cwd: engine.folder,
          },
        ],
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
  log.info("embedded", "installing the embedded engine (85 MB, once)");
  let said = "";
  return await installEmbeddedEngine({
    directory,
    env,
    signal,
    onProgress(progress) {
      const text = describeProgress(progress);
      if (text !== said) log.info("embedded", text);
      said = text;
      const stage = `installing the embedded engine: ${progress.stage}`;
      onProgress?.({ stages: [stage], stage, fraction: progress.fraction ?? 0 });
    },
  });
}

function workerArguments(engine: string, options: { request: LaunchRequest; port: number; seed: number | undefined }): string[] {
  const { request, port, seed } = options;
  const args = [...workerCommand().prefix, "--engine", engine];
  args.push("--model", request.files.model, "--alias", request.model, "--host", "127.0.0.1", "--port", String(port));
  args.push("--ctx-size", String(request.contextTokens), "--parallel", String(PARALLEL_REQUESTS));
  if (request.kind === "embedding") args.push("--embeddings");
  if (request.kind === "reranking") args.push("--reranking");
  if (seed !== undefined) args.push("--seed", String(seed));
  return args;
}

type Flags = readonly (readonly string[])[];

/** Options of a preset are written for llama-server: the worker has some of them. */
async function splitFlags({ presetFlags = [] }: LaunchRequest): Promise<{ known: Flags; unknown: Flags }> {
  if (presetFlags.length === 0) return { known: [], unknown: [] };
  const { WORKER_FLAGS } = await importLater(() => import("./worker/arguments.ts"));
  const isKnown = ([flag = ""]: readonly string[]) => WORKER_FLAGS.has(flag);
  return { known: presetFlags.filter(isKnown), unknown: presetFlags.filter((group) => !isKnown(group)) };
}
