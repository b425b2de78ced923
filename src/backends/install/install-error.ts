import { RouterError, type RouterErrorOptions } from "../../errors.ts";

/** Lines of the failing program that its message shows. */
const SHOWN_LINES = 8;

/** An installation step failed; `logTail` holds the last lines that the failing program printed, oldest first. */
export class InstallFailedError extends RouterError {
  override readonly name = "InstallFailedError";
  readonly logTail: readonly string[];

  constructor(message: string, { logTail = [], ...options }: RouterErrorOptions & { readonly logTail?: readonly string[] } = {}) {
    const shown = logTail.slice(-SHOWN_LINES).map((line) => `\n  ${line}`);
    super("INSTALL_FAILED", shown.length === 0 ? message : `${message}\nIts last lines:${shown.join("")}`, options);
    this.logTail = logTail;
  }
}

/** What is not here cannot be fetched either. */
export function offlineError(what: string): RouterError {
  return new RouterError("OFFLINE", `${what} is not installed, and offline mode forbids fetching it`, {
    hint: "Unset LEMONADE_OFFLINE (or HF_HUB_OFFLINE) to allow it.",
  });
}
