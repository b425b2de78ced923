/**
 * How far a build is, read from a line of its output: ninja prints `[12/204] Building …`, make `[ 42%] Building …`.
 * `undefined` for any other line.
 */
export function parseBuildProgress(line: string): number | undefined {
  const steps = /^\[(\d+)\/(\d+)\]/.exec(line);
  if (steps !== null) {
    const [done, total] = [Number(steps[1]), Number(steps[2])];
    return total > 0 && done <= total ? done / total : undefined;
  }
  const percent = /^\[\s*(\d{1,3})%\]/.exec(line);
  if (percent === null) return undefined;
  return Math.min(Number(percent[1]), 100) / 100;
}
