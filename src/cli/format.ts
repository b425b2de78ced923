export { formatBytes } from "../model/index.ts";

/** Seconds as `1h 05m`, `3m 20s` or `12s`. */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (h > 0) return `${h}h ${String(m).padStart(2, "0")}m`;
  return m > 0 ? `${m}m ${String(s).padStart(2, "0")}s` : `${s}s`;
}

/** Counts in short form: `1.2B`, `350M`. */
export function formatCount(count: number): string {
  for (const [limit, unit] of [
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    if (count >= limit) return `${(count / limit).toPrecision(3).replace(/\.?0+$/, "")}${unit}`;
  }
  return String(count);
}
