/** The gap between two probes: a local engine answers within a millisecond once it listens. */
const PROBE_INTERVAL_MS = 25;

/**
 * Resolves once `url` answers 200; a refused connection means not bound yet, 503 means still loading. There is no limit on the number
 * of tries: loading from a slow disk takes minutes. While `isNeeded` says no (the child reports its own state) nothing is sent.
 */
export async function waitUntilHealthy(url: string, options: { signal: AbortSignal; isNeeded: () => boolean }): Promise<void> {
  const { signal, isNeeded } = options;
  while (!signal.aborted) {
    await pause(PROBE_INTERVAL_MS, signal);
    if (!isNeeded() || signal.aborted) continue;
    try {
      const response = await fetch(url, { signal });
      await response.body?.cancel();
      if (response.status === 200) return;
    } catch {
      // Not listening yet, or we were aborted, which the loop sees.
    }
  }
  signal.throwIfAborted();
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
  });
}
