/** One entry of an archive as its format states it: nothing of it is trusted. */
export interface ArchiveEntry {
  readonly path: string;
  readonly kind: "file" | "directory" | "symlink" | "hardlink" | "other";
  /** Unix permission bits; 0 when the archive has none. */
  readonly mode: number;
  readonly sizeBytes: number;
  /** Where a link points to, as written. */
  readonly target?: string | undefined;
}

export type EntryVerdict = { readonly ok: true; readonly segments: readonly string[] } | { readonly ok: false; readonly reason: string };

/** Longest file name of common file systems, and a depth that no release archive comes near. */
const MAX_SEGMENT_LENGTH = 255;
const MAX_DEPTH = 40;

/** Splits the path of an entry into clean segments, or says why it must not be unpacked. The root itself has none. */
export function checkEntryPath(path: string): EntryVerdict {
  if (path.includes("\0")) return refuse("contains a zero byte");
  if (path.includes("\\")) return refuse("contains a backslash");
  if (path.startsWith("/") || /^[a-z]:/i.test(path)) return refuse("is absolute");
  const segments = path.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.includes("..")) return refuse("leaves the folder");
  if (segments.length > MAX_DEPTH) return refuse("is nested too deep");
  for (const segment of segments) {
    if (segment.length > MAX_SEGMENT_LENGTH) return refuse("has too long a name");
    // On Windows a colon opens another stream of the file, and these names are devices wherever they stand.
    if (segment.includes(":") || /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(segment)) return refuse("has a name that Windows reserves");
  }
  return { ok: true, segments };
}

/**
 * Checks where a symbolic link at `linkSegments` leads, by text alone. Links may lead through links, so whoever unpacks looks again at
 * the real path in the end.
 */
export function checkLinkTarget(linkSegments: readonly string[], target: string): EntryVerdict {
  if (target === "" || target.includes("\0")) return refuse("has no usable target");
  if (target.startsWith("/") || target.includes("\\") || /^[a-z]:/i.test(target)) return refuse(`leads to ${target}`);
  const segments = linkSegments.slice(0, -1);
  for (const segment of target.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment !== "..") segments.push(segment);
    else if (segments.pop() === undefined) return refuse(`leads to ${target}`);
  }
  return { ok: true, segments };
}

const refuse = (reason: string): EntryVerdict => ({ ok: false, reason });
