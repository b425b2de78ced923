import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Backend, BackendContext } from "../backend.ts";
import { EngineProcess } from "../engine-process.ts";
import { findEmbeddedEngine, installEmbeddedEngine } from "./install-engine.ts";

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
    async createServer(request, { signal }) {
      if ((await findEmbeddedEngine(directory)) === undefined) {
        context.log.info("embedded", "installing the embedded engine (85 MB, once)");
        await installEmbeddedEngine({ directory, signal, onProgress: (text) => context.log.info("embedded", text) });
      }
      return new EngineProcess({
        backend: "embedded",
        context,
        request,
        plansFor: (port) => [
          {
            command: process.execPath,
            args: workerArguments({ directory, port, request, seed }),
            // A compiled executable of ours acts as Bun itself with this variable.
            env: { BUN_BE_BUN: "1" },
          },
        ],
      });
    },
  };
}
