/** The gap between two probes: a local engine answers within a millisecond once it listens. */
const PROBE_INTERVAL_MS = 25;

/** One question to the health path: `status` when there was an answer, `error` when there was none. */
export interface HealthProbe {
  /** Counts from 1. */
  readonly attempt: number;
  readonly status?: number | undefined;
  readonly error?: unknown;
}

export interface ProbeLimits {
  /** How often to ask. Without a limit it goes on until the signal aborts: loading from a slow disk takes minutes. */
  readonly attempts?: number | undefined;
  /** Pause after an attempt that failed, in milliseconds. Defaults to 25. */
  readonly intervalMs?: number | undefined;
  /** How long one attempt may take, in milliseconds; an engine that hangs would never answer. No limit by default. */
  readonly probeTimeoutMs?: number | undefined;
  readonly onProbe?: ((probe: HealthProbe) => void) | undefined;
}

export interface WaitOptions extends ProbeLimits {
  readonly signal: AbortSignal;
  /** While it says no (the child reports its own state) nothing is sent. */
  readonly isNeeded?: (() => boolean) | undefined;
}

/** Whether the engine welcomes requests: a refused connection means not bound yet, 503 means still loading. */
export function isHealthy({ status }: HealthProbe): boolean {
  return status !== undefined && status >= 200 && status < 300;
}

/** Asks `url` until it answers 2xx or the limit is reached, and returns the last probe. Rejects with the signal's reason. */
export async function waitUntilHealthy(url: string, options: WaitOptions): Promise<HealthProbe> {
  const { signal, isNeeded = () => true, attempts = Infinity, intervalMs = PROBE_INTERVAL_MS, probeTimeoutMs, onProbe } = options;
  for (let attempt = 1; ;) {
    if (isNeeded()) {
      const probe: HealthProbe = { attempt: attempt++, ...(await ask(url, signal, probeTimeoutMs)) };
      signal.throwIfAborted();
      onProbe?.(probe);
      if (isHealthy(probe) || attempt > attempts) return probe;
    }
    await pause(intervalMs, signal);
    signal.throwIfAborted();
  }
}

async function ask(url: string, signal: AbortSignal, timeoutMs: number | undefined): Promise<Omit<HealthProbe, "attempt">> {
  const limited = timeoutMs === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const response = await fetch(url, { signal: limited });
    await response.body?.cancel();
    return { status: response.status };
  } catch (error) {
    return { error };
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}
