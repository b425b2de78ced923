import { cpus, loadavg, release, totalmem } from "node:os";
import { readFileSync } from "node:fs";

/** What the numbers were measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly versions: Readonly<Record<string, string>>;
}

export function describeMachine(versions: Readonly<Record<string, string>>): Machine {
  const cores = cpus();
  return {
    cpu: cores[0]?.model ?? "unknown",
    cores: cores.length,
    memoryGb: Math.round(totalmem() / 1e9),
    kernel: release(),
    versions: { bun: Bun.version, ...versions },
  };
}

/** What one measurement gave, and how much CPU time everything of ours took for it, this program included. */
export interface Measured<T> {
  readonly value: T;
  readonly ourCpuMs: number;
}

/** Other programs on the machine falsify numbers: this waits for quiet moments, takes noisy measurements again and says what was left. */
export class LoadWatch {
  readonly #shares: number[] = [];

  /** Resolves when nobody else does much, or after a while all the same. */
  async quiet(): Promise<void> {
    const giveUpMs = Date.now() + QUIET_WAIT_MS;
    for (;;) {
      const before = readTicks();
      await Bun.sleep(QUIET_SAMPLE_MS);
      const share = otherShare(before, readTicks(), 0);
      if (share > QUIET_SHARE && Date.now() < giveUpMs) continue;
      this.#shares.push(share);
      return;
    }
  }

  /** Measures, and measures again when others were busy meanwhile; the quietest attempt counts. */
  async undisturbed<T>(measure: () => Promise<Measured<T>>): Promise<T> {
    let best: { share: number; value: T } | undefined;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const before = readTicks();
      const { value, ourCpuMs } = await measure();
      const share = otherShare(before, readTicks(), ourCpuMs);
      if (best === undefined || share < best.share) best = { share, value };
      if (best.share <= QUIET_SHARE) break;
    }
    if (best === undefined) throw new Error("Nothing was measured");
    this.#shares.push(best.share);
    return best.value;
  }

  /** Share of all cores that others had, in percent, for every measurement that counts, and the system's load averages. */
  report(): { otherLoadPercent: readonly number[]; loadAverages: readonly number[] } {
    return {
      otherLoadPercent: this.#shares.map((share) => Math.round(share * 100)),
      loadAverages: loadavg().map((load) => Math.round(load * 100) / 100),
    };
  }
}

const QUIET_SHARE = 0.1;
const QUIET_SAMPLE_MS = 250;
const QUIET_WAIT_MS = 60_000;
const ATTEMPTS = 3;
/** The unit of /proc/stat: USER_HZ is 100 on every Linux that we know of. */
const TICK_MS = 10;

interface Ticks {
  readonly idle: number;
  readonly total: number;
}

function otherShare(before: Ticks, after: Ticks, ourCpuMs: number): number {
  const totalMs = (after.total - before.total) * TICK_MS;
  const busyMs = totalMs - (after.idle - before.idle) * TICK_MS;
  return totalMs <= 0 ? 0 : Math.max(0, busyMs - ourCpuMs) / totalMs;
}

/** proc(5): the first line sums all cores; user, nice, system, idle, iowait, irq, softirq, steal. */
function readTicks(): Ticks {
  const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n", 1);
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  return { idle: (ticks[3] ?? 0) + (ticks[4] ?? 0), total: ticks.reduce((sum, tick) => sum + tick, 0) };
}
