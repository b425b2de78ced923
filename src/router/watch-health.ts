import type { Log } from "../platform/index.ts";
import type { Instance } from "./instance.ts";

export interface WatchHealthOptions {
  readonly log: Log;
  /** Pause between two probes, in milliseconds; 0 switches them off. */
  readonly intervalMs: number;
  /** Called once the engine counts as hung. */
  readonly onHang: () => void;
}

/** An idle engine answers within milliseconds; a busy one may compute a long prompt on every core of a small machine. */
const MISSED_WHEN_IDLE = 2;
const MISSED_WHEN_BUSY = 6;

/**
 * Asks a ready engine for its health from time to time; an engine that misses several answers in a row hangs. The health of llama-server
 * does not pass its queue, so a long prompt alone does not make it miss one.
 * @returns Ends the watching.
 */
export function watchHealth(instance: Instance, { log, intervalMs, onHang }: WatchHealthOptions): () => void {
  const stop = new AbortController();
  let missed = 0;
  const probe = async (): Promise<void> => {
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(intervalMs)]);
    const isHealthy = instance.server === undefined || (await instance.server.isHealthy(signal));
    if (stop.signal.aborted) return;
    if (isHealthy === undefined) {
      log.warning("router", `the engine of ${instance.model} could not be asked for its health: too many files and connections are open`);
      return; // That says nothing about the engine.
    }
    missed = isHealthy ? 0 : missed + 1;
    if (missed > 0) log.warning("router", `the engine of ${instance.model} did not answer a health probe (${missed} in a row)`);
    if (missed >= (instance.inFlight > 0 ? MISSED_WHEN_BUSY : MISSED_WHEN_IDLE)) {
      stop.abort();
      onHang();
    }
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const schedule = (): void => {
    if (stop.signal.aborted || intervalMs === 0) return;
    timer = setTimeout(() => void probe().finally(schedule), intervalMs);
    timer.unref(); // Watching keeps no program alive.
  };
  schedule();
  return () => {
    clearTimeout(timer);
    stop.abort();
  };
}
