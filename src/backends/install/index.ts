export { archiveFormat, type ArchiveFormat } from "./archive-readers.ts";
export { extractArchive, makeExecutable, unwrapSingleFolder, type ExtractOptions } from "./extract-archive.ts";
export { describeProgress } from "./describe-progress.ts";
export type { DownloadFile, FileDownload } from "./file-download.ts";
export { ReleaseHost, unverifiedWarning, type PublishedAsset, type PublishedRelease, type ReleaseHostOptions } from "./github-releases.ts";
export { InstallFailedError, offlineError } from "./install-error.ts";
export { downloadProgress, type InstallProgress, type InstallProgressListener, type InstallStage } from "./install-progress.ts";
export { readBuildMarkers, writeBuildMarkers, type BuildMarkers } from "./installed-build.ts";
export {
  createStagingFolder,
  exists,
  previousFolder,
  recoverInterruptedReplacement,
  replaceFolder,
  restorePreviousFolder,
} from "./replace-folder.ts";
export { runCommand, type CommandResult, type RunCommandOptions } from "./run-command.ts";
export { tieToParent } from "./tie-to-parent.ts";
