import { createHash } from "node:crypto";
import { readdir, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { RouterError } from "../errors.ts";
import { cacheError } from "../platform/index.ts";
import { acquireBlobLock } from "./blob-lock.ts";
import { systemClock, type Clock } from "./clock.ts";
import { fetchBlob } from "./fetch-blob.ts";
import type { FileMetadata } from "./hub-client.ts";
import { PartialBlob } from "./partial-blob.ts";
import { PartSlots } from "./part-slots.ts";
import { retrying, retryAfterMsOf, TransientError } from "./retry.ts";
import { hubSettingsFromEnvironment } from "./settings.ts";
import { HubTransport, originOf } from "./transport.ts";

export interface UrlDownload {
  readonly url: string;
  /** Absolute path of the finished file, in a folder that exists. A partial one has another name beside it. */
  readonly destination: string;
  /** Digest that the file must have, in lower-case hexadecimal. */
  readonly sha256?: string | undefined;
  readonly onProgress?: ((bytesDone: number, bytesTotal: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface UrlDownloadContext {
  /** Offline mode and time limits, as for the hub. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock | undefined;
}

const CONNECTIONS = 3;
const REVISION = "0".repeat(40);

/** The server does not give the file out; `status` is its answer. */
export class UrlRefusedError extends RouterError {
  override readonly name = "UrlRefusedError";
  readonly status: number;

  constructor(url: string, status: number) {
    super("DOWNLOAD_FAILED", `${originOf(url)} answered ${status} for ${basename(new URL(url).pathname)}`);
    this.status = status;
  }
}

/**
 * Downloads one file from any address, over the machinery of the hub's files: resumed after an interruption, over several connections,
 * hashed as it comes, and by one process at a time. No token is sent.
 * @throws {@link UrlRefusedError} when the server says no; `CHECKSUM_MISMATCH`, `DISK_FULL`, `DOWNLOAD_FAILED`, `OFFLINE`.
 */
export async function downloadUrl(download: UrlDownload, { env, clock = systemClock }: UrlDownloadContext): Promise<void> {
  const { url, destination, signal = new AbortController().signal, onProgress } = download;
  const label = basename(destination);
  const settings = {
    ...hubSettingsFromEnvironment({ ...env, HF_ENDPOINT: undefined }),
    endpoint: originOf(url),
    token: undefined,
    tokenFile: undefined,
  };
  const transport = new HubTransport(settings, clock);
  const describe = async (signal: AbortSignal) => await retrying(() => describeFile(transport, download, signal), { clock, signal });
  try {
    const metadata = await describe(signal);
    const { sizeBytes } = metadata;
    const path = partialPath(download, metadata);
    await using lock = await acquireBlobLock(`${destination}.lock`, { clock, signal });
    try {
      // A finished file is checked like the rest of a partial one.
      if ((await stat(destination).catch(() => undefined)) !== undefined) await rename(destination, path);
      await using partial = await PartialBlob.open(path, { sizeBytes, content: metadata.content, clock });
      await fetchBlob(partial, {
        transport,
        slots: new PartSlots(CONNECTIONS),
        clock,
        metadata,
        label,
        describe,
        onBytes: (bytes) => onProgress?.(bytes, sizeBytes),
        signal,
      });
      await rename(path, destination);
      await removeOtherPartials(destination);
    } finally {
      await unlink(lock.path).catch(() => {}); // Who waits for it looks whether it still has its name.
    }
  } catch (error) {
    signal.throwIfAborted();
    throw cacheError(error, destination);
  }
}

/** The first byte, not a HEAD: addresses that are signed for reading refuse that, and some mirrors do not know it. */
async function describeFile(transport: HubTransport, { url, sha256 }: UrlDownload, signal: AbortSignal): Promise<FileMetadata> {
  const request = new AbortController();
  const leave = (): void => request.abort(signal.reason);
  signal.addEventListener("abort", leave, { once: true, signal: request.signal });
  try {
    const answer = await transport.send(url, { headers: { range: "bytes=0-0" }, signal: request.signal });
    const { status, headers } = answer.response;
    if (status === 429 || status === 408 || status >= 500) {
      const retryAfterMs = retryAfterMsOf(headers, Date.now());
      throw new TransientError("DOWNLOAD_FAILED", `${originOf(answer.url)} answered ${status}`, { retryAfterMs });
    }
    if (!answer.response.ok) throw new UrlRefusedError(url, status);
    const total = status === 206 ? /\/(\d+)$/.exec(headers.get("content-range") ?? "")?.[1] : headers.get("content-length");
    const sizeBytes = total ? Number(total) : Number.NaN;
    if (!Number.isSafeInteger(sizeBytes))
      throw new RouterError("DOWNLOAD_FAILED", `${originOf(answer.url)} does not say how large ${url} is`);
    const content = sha256 === undefined ? undefined : { algorithm: "sha256" as const, hex: sha256 };
    return { commit: REVISION, etag: headers.get("etag") ?? String(sizeBytes), sizeBytes, content, url: answer.url };
  } finally {
    request.abort(); // A server without ranges has begun to send the whole file.
  }
}

/** What is known of the content is in the name: the beginning of another file is not continued. */
function partialPath({ destination, sha256 }: UrlDownload, { etag, sizeBytes }: FileMetadata): string {
  const identity = createHash("sha256")
    .update(sha256 ?? `${etag} ${sizeBytes}`)
    .digest("hex");
  return `${destination}.${identity.slice(0, 16)}.incomplete`;
}

async function removeOtherPartials(destination: string): Promise<void> {
  const folder = dirname(destination);
  for (const name of await readdir(folder)) {
    if (name.startsWith(`${basename(destination)}.`) && name.endsWith(".incomplete")) await unlink(join(folder, name)).catch(() => {});
  }
}
