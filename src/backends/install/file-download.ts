/** One file to fetch whole. */
export interface FileDownload {
  readonly url: string;
  /** Absolute path of the finished file; a partial one has another name beside it and is used by the next try. */
  readonly destination: string;
  /** Digest that the file must have, in lower-case hexadecimal. */
  readonly sha256?: string | undefined;
  readonly onProgress?: ((bytesDone: number, bytesTotal: number | undefined) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Fetches a file with resume and verification: the model hub's downloader, handed in by the router. Rejects with an error whose
 * `status` is the HTTP status when the server answered with one that says no.
 */
export type DownloadFile = (download: FileDownload) => Promise<void>;
