/** Coarsest time stamps in use: FAT counts in steps of two seconds, HFS+ in whole ones. */
const COARSE_MS = 2000;
/** Others tick with the kernel's clock, at least every 10 ms; the rest is for clocks that differ a little. */
const FINE_MS = 50;

/**
 * Whether a time stamp seen now is old enough that any later change must give another one. Something changed within the current tick
 * could change again without its time stamp showing it.
 */
export function isSettled(mtimeMs: number, nowMs: number): boolean {
  const tickMs = mtimeMs % 1000 === 0 ? COARSE_MS : FINE_MS;
  return mtimeMs < nowMs - tickMs;
}
