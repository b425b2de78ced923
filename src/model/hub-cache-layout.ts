/**
 * Where the Hugging Face cache keeps things, as paths relative to its root with `/` between the parts. The layout is
 * `huggingface_hub`'s: whatever one program downloads, the other finds.
 */

const FOLDER_PREFIX = "models--";

/** `org/repo` as the name of its folder: `models--org--repo`. */
export function repoFolder(repo: string): string {
  return FOLDER_PREFIX + repo.replaceAll("/", "--");
}

/** The repository that a folder of the cache belongs to; undefined for data sets and anything else. */
export function repoOfFolder(folder: string): string | undefined {
  const repo = folder.startsWith(FOLDER_PREFIX) ? folder.slice(FOLDER_PREFIX.length).replaceAll("--", "/") : "";
  return repo === "" ? undefined : repo;
}

export function isCommitId(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** A branch, tag or commit that may be part of a path below `refs` or `snapshots`. */
export function isSafeRevision(revision: string): boolean {
  return /^[\w.-]+(?:\/[\w.-]+)*$/.test(revision) && revision.split("/").every((part) => part !== "." && part !== "..");
}

/** What an entity tag names a blob: without its weak marker and quotes. */
export function normalizeEtag(etag: string): string {
  return etag.replace(/^W\//, "").replace(/^"|"$/g, "");
}

/** True for a name that stays inside the folder of blobs. A real one is a SHA-1 or SHA-256 in hexadecimal. */
export function isSafeBlobName(name: string): boolean {
  return /^[\w-][\w.-]{7,199}$/.test(name);
}

export const blobsFolder = (repo: string): string => `${repoFolder(repo)}/blobs`;
export const snapshotsFolder = (repo: string): string => `${repoFolder(repo)}/snapshots`;
export const refsFolder = (repo: string): string => `${repoFolder(repo)}/refs`;

/** A finished file. Its name is the SHA-256 of its content, or the git SHA-1 for files that are not in LFS. */
export const blobPath = (repo: string, etag: string): string => `${blobsFolder(repo)}/${etag}`;

/** A file whose download goes on: always a prefix of the content, so that any program may append the rest. */
export const partialBlobPath = (repo: string, etag: string): string => `${blobPath(repo, etag)}.incomplete`;

/** Held while a blob is written. The file itself is empty and stays. */
export const lockPath = (repo: string, etag: string): string => `.locks/${repoFolder(repo)}/${etag}.lock`;

/** Holds the commit id that a branch or tag had when it was last looked at: 40 digits, no newline. */
export const refPath = (repo: string, revision: string): string => `${refsFolder(repo)}/${revision}`;

/** One commit's folder, or one file in it. */
export function snapshotPath(repo: string, commit: string, path?: string): string {
  const folder = `${snapshotsFolder(repo)}/${commit}`;
  return path === undefined ? folder : `${folder}/${path}`;
}

/** An empty file that says that this commit has no such path. */
export const noExistPath = (repo: string, commit: string, path: string): string => `${repoFolder(repo)}/.no_exist/${commit}/${path}`;

/** What the entry of a file in a snapshot links to. */
export function blobLinkTarget(path: string, etag: string): string {
  return `${"../".repeat(path.split("/").length + 1)}blobs/${etag}`;
}
