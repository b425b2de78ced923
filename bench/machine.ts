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

/** A program that measures beside others says how busy they were. */
export class LoadWatch {
  readonly #shares: number[] = [];

  /** Samples while nothing of ours runs; waits a while for a quiet moment, then measures all the same. */
  async quiet(): Promise<void> {
    const giveUpMs = Date.now() + QUIET_WAIT_MS;
    for (;;) {
      const share = await busyShare(QUIET_SAMPLE_MS);
      if (share > QUIET_SHARE && Date.now() < giveUpMs) continue;
      this.#shares.push(share);
      return;
    }
  }

  /** Busy share of all cores before each round, in percent, and the system's load averages. */
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

async function busyShare(durationMs: number): Promise<number> {
  const before = readTicks();
  await Bun.sleep(durationMs);
  const after = readTicks();
  const total = after.total - before.total;
  return total <= 0 ? 0 : 1 - (after.idle - before.idle) / total;
}

/** proc(5): the first line sums all cores; user, nice, system, idle, iowait, irq, softirq, steal. */
function readTicks(): { idle: number; total: number } {
  const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n", 1);
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  return { idle: (ticks[3] ?? 0) + (ticks[4] ?? 0), total: ticks.reduce((sum, tick) => sum + tick, 0) };
}
