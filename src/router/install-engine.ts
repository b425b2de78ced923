import { join } from "node:path";
import {
  buildLlamaCppFromSource,
  childEnvironment,
  embeddedEngineFolder,
  findEmbeddedEngine,
  installEmbeddedEngine,
  type InstallProgressListener,
} from "../backends/index.ts";
import type { Directories } from "../config/index.ts";

export interface InstallEngineOptions {
  readonly directories: Directories;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly onProgress: InstallProgressListener;
}

/** Where an engine now is and which version it has. */
export interface InstalledEngine {
  readonly path: string;
  readonly version: string;
}

export async function installEmbedded({ directories, ...options }: InstallEngineOptions): Promise<InstalledEngine> {
  const { folder, version } = await installEmbeddedEngine({ directory: embeddedEngineFolder(directories.binDir), ...options });
  return { path: folder, version };
}

/** Builds llama-server from the source that the embedded engine carries, installing that one first when it is missing. */
export async function installLlamaCppFromSource(options: InstallEngineOptions): Promise<InstalledEngine> {
  const { directories, env, signal, onProgress } = options;
  const directory = embeddedEngineFolder(directories.binDir);
  const engine = (await findEmbeddedEngine(directory)) ?? (await installEmbeddedEngine({ directory, env, signal, onProgress }));
  const { executable, version } = await buildLlamaCppFromSource({
    ...engine.llamaSource,
    destination: join(directories.binDir, "llamacpp", "from-source"),
    buildRoot: join(directories.cacheDir, "build"),
    env: childEnvironment(env),
    signal,
    onProgress,
  });
  return { path: executable, version };
}
