export { buildLlamaCppFromSource, type BuildFromSourceOptions, type InstalledLlamaServer } from "./build-from-source.ts";
export { chooseDefaultVariant, reportVariants, type DefaultVariant, type VariantReport } from "./choose-variant.ts";
export { installLlamaCppRelease, uninstallLlamaCpp, type InstalledRelease, type InstallReleaseOptions } from "./install-release.ts";
export { listInstalledLlamaCpp, type InstalledBuild } from "./list-installed.ts";
export { readEnvFile } from "./read-env-file.ts";
export { readReleaseTable, RELEASE_VARIANTS, type ReleaseChoice, type ReleaseTable, type ReleaseVariant } from "./release-table.ts";
