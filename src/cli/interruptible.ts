/**
 * Runs work that Ctrl-C (or SIGTERM) aborts; a second one ends the process at once. The work cleans up behind its signal, so it
 * decides what is kept.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    controller.abort(new Interruption());
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    return await work(controller.signal);
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** What a shell reports for a command that SIGINT ended: 128 + 2. */
export const INTERRUPTED = 130;

/** The user interrupted the command: nothing failed, nothing is reported. */
export class Interruption extends Error {
  override readonly name = "Interruption";
}
