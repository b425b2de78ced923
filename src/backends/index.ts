export type { Backend, BackendContext } from "./backend.ts";
export { childEnvironment } from "./child-environment.ts";
export { createEmbeddedBackend, embeddedEngineFolder, findEmbeddedEngine, installEmbeddedEngine } from "./embedded/index.ts";
export { describeProgress, type InstallProgress, type InstallProgressListener } from "./install/index.ts";
export { createLlamaCppBackend } from "./llamacpp/index.ts";
export { buildLlamaCppFromSource, listInstalledLlamaCpp, readReleaseTable, reportVariants } from "./llamacpp/install/index.ts";
export type { EngineReport, LaunchRequest, LoadProgress, StartOptions, WrappedServer, WrappedServerState } from "./wrapped-server.ts";
