/** How far back the speed looks: long enough to be steady, short enough to follow a change. */
const WINDOW_MS = 5000;
/** The window must span some time before it says anything. */
const MIN_SPAN_MS = 500;

/** The speed of a download over its last seconds. */
export class DownloadRate {
  readonly #samples: { readonly atMs: number; readonly bytes: number }[] = [];

  /** Bytes that have arrived in all. Fewer than before means that some were thrown away: the past is forgotten. */
  add(bytes: number, atMs: number): void {
    if (bytes < (this.#samples.at(-1)?.bytes ?? 0)) this.#samples.length = 0;
    this.#samples.push({ atMs, bytes });
    while (this.#samples.length > 2 && atMs - (this.#samples[1]?.atMs ?? atMs) >= WINDOW_MS) this.#samples.shift();
  }

  /** Undefined until there is enough to go by. Falls while nothing arrives. */
  bytesPerSecondAt(nowMs: number): number | undefined {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    const spanMs = nowMs - (first?.atMs ?? nowMs);
    if (!first || !last || spanMs < MIN_SPAN_MS) return undefined;
    return Math.round(((last.bytes - first.bytes) / spanMs) * 1000);
  }
}
