// What brings engines and removes them: much code that no start needs, so it is imported when somebody asks.
export { installFlm, type InstalledFlm, type InstallFlmOptions } from "../flm/install-flm.ts";
export { installBinariesWith, type InstallBinariesOptions, type InstalledBinary } from "../llamacpp/llama-server/install-binaries.ts";
export { launchEnvironment } from "../llamacpp/engine-environment.ts";
export { findExecutable, isExecutable, type LlamaCppExecutable } from "../llamacpp/find-executable.ts";
export { probeBuild } from "../llamacpp/probe-build.ts";
export {
  buildLlamaCppFromSource,
  chooseDefaultVariant,
  installLlamaCppRelease,
  listInstalledLlamaCpp,
  readReleaseTable,
  reportVariants,
  uninstallLlamaCpp,
} from "../llamacpp/install/index.ts";
