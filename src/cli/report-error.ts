import { errorMessage, RouterError } from "../errors.ts";
import { EXIT } from "./exit-codes.ts";

/** Prints one line and a hint to stderr, the stack when asked, and returns the exit code. */
export function reportError(error: unknown, { verbose }: { verbose: boolean }): number {
  console.error(`error: ${errorMessage(error)}`);
  if (error instanceof RouterError && error.hint !== undefined) console.error(`hint: ${error.hint}`);
  if (verbose && error instanceof Error) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) console.error(cause.stack);
  }
  return error instanceof RouterError && error.code === "CONFIG_INVALID" ? EXIT.usage : EXIT.failure;
}
