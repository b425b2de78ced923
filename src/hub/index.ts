export type { ContentName } from "./content-name.ts";
export { deleteFiles, type Deleted, type DeleteOptions, type SnapshotEntry } from "./delete-files.ts";
export { Downloader, type DownloaderOptions, type FileOptions, type FileToDownload } from "./download-file.ts";
export type { DownloadJob, DownloadState, DownloadStatus, FetchByKeeper, WhenLeft } from "./download-job.ts";
export { createDownloadJobs, type DownloadJobs, type DownloadJobsOptions, type StartOptions } from "./download-jobs.ts";
export { downloadSet, presentBytes, type FileProgress, type FileSet, type SetOptions } from "./download-set.ts";
export { downloadUrl, UrlRefusedError, type UrlDownload, type UrlDownloadContext } from "./download-url.ts";
export {
  HubClient,
  type FileList,
  type FileMetadata,
  type RemoteFile,
  type RepoInfo,
  type RepoSummary,
  type Revision,
} from "./hub-client.ts";
export { readRemoteHeader } from "./read-remote-header.ts";
export type { JobError } from "./job-store.ts";
export { hubSettingsFromEnvironment, type HubSettings } from "./settings.ts";
