import type { Catalog } from "./catalog.ts";
import type { CatalogEntry } from "./catalog-entry.ts";
import type { LocalUpload, UploadOptions } from "./local-upload.ts";
import { importLater } from "../platform/index.ts";

/**
 * Starts to take a model's files. Disposing an upload that is not finished removes them. The code behind it is loaded by the first one.
 * @throws {@link RouterError} `DISK_FULL`, `CACHE_NOT_WRITABLE`.
 */
export async function beginUpload(options: UploadOptions): Promise<LocalUpload> {
  return await (await importLater(() => import("./local-upload.ts"))).openUpload(options);
}

/**
 * Deletes an uploaded model: its folder and its registration. `undefined` when the entry is of another kind, of which nothing is touched.
 * @param options.hubCacheDir - The cache that holds the folder.
 */
export async function deleteUpload(
  entry: CatalogEntry,
  options: { hubCacheDir: string; catalog: Catalog; signal: AbortSignal },
): Promise<{ freedBytes: number } | undefined> {
  const [folder = ""] = entry.checkpoint.split(/[/\\]/);
  if (entry.source !== "user" || !folder.startsWith("models--")) return undefined;
  return await (await importLater(() => import("./local-upload.ts"))).removeUpload(entry, { ...options, folder });
}
