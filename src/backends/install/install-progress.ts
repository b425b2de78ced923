/** What an installation is doing. `waiting` means that another process holds the lock of the same installation. */
export type InstallStage = "waiting" | "downloading" | "unpacking" | "configuring" | "compiling" | "checking" | "finishing";

/** How far an installation is. */
export interface InstallProgress {
  readonly stage: InstallStage;
  /** Part of this stage that is done, from 0 to 1; absent when nobody can tell. */
  readonly fraction?: number | undefined;
  /** Bytes that are here, of a download. */
  readonly bytesDone?: number | undefined;
  /** Bytes of the whole download, when they are known. */
  readonly bytesTotal?: number | undefined;
  /** One line for people: the file being fetched, the last line of the compiler. */
  readonly detail?: string | undefined;
}

/** Hears how far an installation is, as often as anything changes. */
export type InstallProgressListener = (progress: InstallProgress) => void;

/** A listener for the bytes of one download that reports them as progress of the installation. */
export function downloadProgress(detail: string, onProgress: InstallProgressListener | undefined) {
  return (bytesDone: number, bytesTotal: number | undefined): void => {
    const fraction = bytesTotal === undefined || bytesTotal === 0 ? undefined : bytesDone / bytesTotal;
    onProgress?.({ stage: "downloading", detail, bytesDone, bytesTotal, fraction });
  };
}
