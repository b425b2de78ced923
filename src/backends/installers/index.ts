// What brings engines and removes them: much code that no start needs, so it is imported when somebody asks.
export { installFlm, type InstalledFlm, type InstallFlmOptions } from "../flm/install-flm.ts";
export {
  buildLlamaCppFromSource,
  chooseDefaultVariant,
  installLlamaCppRelease,
  listInstalledLlamaCpp,
  readReleaseTable,
  reportVariants,
  uninstallLlamaCpp,
} from "../llamacpp/install/index.ts";
