import { RouterError, type RouterErrorOptions } from "../../errors.ts";

/** An installation step failed; `logTail` holds the last lines that the failing program printed, oldest first. */
export class InstallFailedError extends RouterError {
  override readonly name = "InstallFailedError";
  readonly logTail: readonly string[];

  constructor(message: string, { logTail = [], ...options }: RouterErrorOptions & { readonly logTail?: readonly string[] } = {}) {
    super("INSTALL_FAILED", message, options);
    this.logTail = logTail;
  }
}

/** What is not here cannot be fetched either. */
export function offlineError(what: string): RouterError {
  return new RouterError("OFFLINE", `${what} is not installed, and offline mode forbids fetching it`, {
    hint: "Unset LEMONADE_OFFLINE (or HF_HUB_OFFLINE) to allow it.",
  });
}
