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
