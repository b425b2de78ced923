import { openAsBlob } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { extname, join, sep } from "node:path";

/** No browser shall pair an old script with a new page. The words are those that Lemonade's server sends. */
export const NO_CACHE: Readonly<Record<string, string>> = {
  "cache-control": "no-cache, no-store, must-revalidate",
  pragma: "no-cache",
  expires: "0",
};

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".gif": "image/gif",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".jpg": "image/jpeg",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".mjs": "text/javascript; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".ttf": "font/ttf",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
};

/** A file as an answer. */
export async function fileResponse(path: string): Promise<Response> {
  const headers = { ...NO_CACHE, "content-type": typeOf(path), "x-content-type-options": "nosniff" };
  return new Response(await openAsBlob(path), { headers });
}

export function typeOf(path: string): string {
  return TYPES[extname(path).toLowerCase()] ?? "application/octet-stream";
}

/**
 * The real path of a file below a folder, or undefined when there is none: neither the name nor a link on the way leads out of it, and
 * hidden files are none of a page's.
 */
export async function findStaticFile(folder: string, name: string): Promise<string | undefined> {
  const parts = name.split("/");
  // Colons and backslashes lead elsewhere on Windows, and an empty or dotted part anywhere.
  if (parts.some((part) => part === "" || part.startsWith(".") || /[\\:\0]/.test(part))) return undefined;
  try {
    const [root, path] = await Promise.all([realpath(folder), realpath(join(folder, ...parts))]);
    const isInside = path.startsWith(root.endsWith(sep) ? root : root + sep);
    return isInside && (await stat(path)).isFile() ? path : undefined;
  } catch {
    return undefined; // No such file, or one that we may not see.
  }
}
