export type { Backend, BackendContext } from "./backend.ts";
export { childEnvironment } from "./child-environment.ts";
export {
  createEmbeddedBackend,
  EMBEDDED_ENGINE_PINS,
  embeddedEngineFolder,
  findEmbeddedEngine,
  installEmbeddedEngine,
  uninstallEmbeddedEngine,
} from "./embedded/index.ts";
export { checkNpuDriver, createFlmBackend, FLM_POLICY, FlmProgram, installFlm } from "./flm/index.ts";
export { describeProgress, offlineError, type DownloadFile, type InstallProgress, type InstallProgressListener } from "./install/index.ts";
export { createLlamaCppBackend } from "./llamacpp/index.ts";
export {
  buildLlamaCppFromSource,
  chooseDefaultVariant,
  installLlamaCppRelease,
  listInstalledLlamaCpp,
  readReleaseTable,
  RELEASE_VARIANTS,
  reportVariants,
  uninstallLlamaCpp,
  type ReleaseVariant,
} from "./llamacpp/install/index.ts";
export type { EngineReport, LaunchRequest, LoadProgress, StartOptions, WrappedServer, WrappedServerState } from "./wrapped-server.ts";
