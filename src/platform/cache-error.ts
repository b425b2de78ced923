import { RouterError } from "../errors.ts";

/** Says in the user's words what went wrong when the cache was written; anything that is not about a file stays as it is. */
export function cacheError(error: unknown, path: string): unknown {
  const code = error instanceof RouterError ? undefined : (error as NodeJS.ErrnoException | undefined)?.code;
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return new RouterError("DISK_FULL", `There is no space left for ${path}`, {
        cause: error,
        hint: "Free some space and start the download again; what has arrived so far is kept.",
      });
    case "EROFS":
    case "EACCES":
    case "EPERM":
      return new RouterError("CACHE_NOT_WRITABLE", `${path} cannot be written (${code})`, {
        cause: error,
        hint: "Make the folder writable, or set HF_HUB_CACHE to another one.",
      });
    case "EFBIG":
      return new RouterError("DISK_FULL", `The file system cannot hold a file as large as ${path}`, { cause: error });
    default:
      return error;
  }
}
