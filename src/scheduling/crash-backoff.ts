/** How often an engine has ended by itself, one time soon after the other. */
export interface CrashHistory {
  /** Crashes in a row, each within `SETTLED_MS` of its start. */
  readonly count: number;
  readonly lastMs: number;
  /** What the last one said, for the error of requests that are refused. */
  readonly cause: string;
}

/** An engine that has run this long was fine: its end begins a new row. */
const SETTLED_MS = 60_000;
/** The first crash costs nothing, so that its requests are sent again at once; each further one doubles the pause. */
const FIRST_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 30_000;
/** After that many in a row requests are refused for a while instead of starting the engine once more. */
const MAX_CRASHES = 6;
const GIVEN_UP_MS = 5 * 60_000;

/** The history after one more crash. */
export function afterCrash(
  history: CrashHistory | undefined,
  crash: { readonly atMs: number; readonly ranMs: number; readonly cause: string },
): CrashHistory {
  const isFirst = history === undefined || crash.ranMs >= SETTLED_MS;
  return { count: isFirst ? 1 : history.count + 1, lastMs: crash.atMs, cause: crash.cause };
}

export type RestartDecision =
  | { readonly kind: "start" }
  | { readonly kind: "pause"; readonly untilMs: number }
  | { readonly kind: "refuse"; readonly untilMs: number };

/** Whether an engine may be started now: with back-off between crashes in a row, and a cap on them. */
export function decideRestart(history: CrashHistory | undefined, nowMs: number): RestartDecision {
  if (history === undefined || history.count <= 1) return { kind: "start" };
  if (history.count >= MAX_CRASHES) {
    const untilMs = history.lastMs + GIVEN_UP_MS;
    return nowMs < untilMs ? { kind: "refuse", untilMs } : { kind: "start" };
  }
  const untilMs = history.lastMs + Math.min(FIRST_PAUSE_MS * 2 ** (history.count - 2), MAX_PAUSE_MS);
  return nowMs < untilMs ? { kind: "pause", untilMs } : { kind: "start" };
}
