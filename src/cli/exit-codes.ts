/** Exit codes of the command; scripts rely on them. */
export const EXIT = {
  success: 0,
  /** A failed pull, delete, load, and anything unforeseen. */
  failure: 1,
  /** `serve` while a server is running. Also what the argument parser answers to wrong usage. */
  alreadyRunning: 2,
  usage: 2,
  stopTimedOut: 3,
  stopFailed: 4,
} as const;
