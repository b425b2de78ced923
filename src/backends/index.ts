export type { Backend, BackendContext } from "./backend.ts";
export { EngineTelemetry } from "./engine-telemetry.ts";
export { childEnvironment } from "./child-environment.ts";
export {
  createEmbeddedBackend,
  EMBEDDED_ENGINE_PINS,
  embeddedEngineFolder,
  findEmbeddedEngine,
  installEmbeddedEngine,
  uninstallEmbeddedEngine,
} from "./embedded/index.ts";
export { checkNpuDriver, createFlmBackend, FLM_POLICY, FlmProgram } from "./flm/index.ts";
export { describeProgress, logProgress } from "./install/describe-progress.ts";
export type { DownloadFile } from "./install/file-download.ts";
export { offlineError } from "./install/install-error.ts";
export type { InstallProgress, InstallProgressListener } from "./install/install-progress.ts";
export { createLlamaCppBackend, type LlamaCppBackend } from "./llamacpp/index.ts";
export { RELEASE_VARIANTS, type ReleaseVariant } from "./llamacpp/install/release-variants.ts";
export type { EngineReport, LaunchRequest, LoadProgress, StartOptions, WrappedServer } from "./wrapped-server.ts";
