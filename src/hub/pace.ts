import type { Clock } from "./clock.ts";

const MIB = 1 << 20;
const FIRST_BYTES = 2 * MIB;
const MIN_BYTES = MIB / 4;
/** Parts that collect in memory until their turn. Three connections with this much stay below 60 MB with all that the runtime adds. */
const MAX_PARALLEL_BYTES = 3 * MIB;
/** The only part there is streams to the disk, so its size costs nothing; it bounds how late a change of pace is noticed. */
const MAX_SINGLE_BYTES = 64 * MIB;
/** Long enough that asking costs little of a part's time, short enough that a killed process has lost little. */
const AIM_MS = 1000;
/** One connection that has not finished its part by then is not fast enough to stay alone. */
const FIRST_PATIENCE_MS = 200;
const PATIENCE_MS = 3 * AIM_MS;

/** Waiting this many times as long as working is what a network looks like; less may be other programs at work on this machine. */
const MOSTLY = 3;

interface MeasuredPart {
  readonly bytes: number;
  readonly elapsedMs: number;
  readonly waitedMs: number;
  readonly workedMs: number;
}

/**
 * Decides how a file is fetched. One connection suffices while we are slower than it, as on a fast local network: more of them only
 * fill memory. As soon as we mostly wait for bytes, several connections share the work. Parts take about a second each.
 */
export class Pace {
  readonly #clock: Clock;
  #isParallel = false;
  #nextBytes = FIRST_BYTES;
  #parts = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isParallel(): boolean {
    return this.#isParallel;
  }

  get nextBytes(): number {
    return Math.min(this.#nextBytes, this.#isParallel ? MAX_PARALLEL_BYTES : MAX_SINGLE_BYTES);
  }

  /** How long a lone part may take before others are started beside it. */
  get patienceMs(): number {
    return this.#parts === 0 ? FIRST_PATIENCE_MS : PATIENCE_MS;
  }

  goParallel(): void {
    this.#isParallel = true;
  }

  startPart(): PartPace {
    return new PartPace(this.#clock, (part) => this.#learn(part));
  }

  #learn({ bytes, elapsedMs, waitedMs, workedMs }: MeasuredPart): void {
    this.#parts++;
    if (waitedMs >= MOSTLY * workedMs) this.#isParallel = true;
    const aimed = (bytes / Math.max(1, elapsedMs)) * AIM_MS;
    // Half of the step, so that one lucky part does not decide.
    this.#nextBytes = Math.round(Math.min(MAX_SINGLE_BYTES, Math.max(MIN_BYTES, (this.#nextBytes + aimed) / 2)));
  }
}

/** Measures one part: the time spent waiting for its bytes and the time spent on them. */
export class PartPace {
  readonly #clock: Clock;
  readonly #onFinished: (part: MeasuredPart) => void;
  readonly #startMs: number;
  #markMs: number | undefined;
  #waitedMs = 0;
  #workedMs = 0;

  constructor(clock: Clock, onFinished: (part: MeasuredPart) => void) {
    this.#clock = clock;
    this.#onFinished = onFinished;
    this.#startMs = clock.now();
  }

  /** A chunk has come. The way to the first one is the connection's and says nothing about its speed. */
  arrived(): void {
    const nowMs = this.#clock.now();
    if (this.#markMs !== undefined) this.#waitedMs += nowMs - this.#markMs;
    this.#markMs = nowMs;
  }

  /** The chunk has been dealt with. */
  handled(): void {
    const nowMs = this.#clock.now();
    this.#workedMs += nowMs - (this.#markMs ?? nowMs);
    this.#markMs = nowMs;
  }

  finished(bytes: number): void {
    this.#onFinished({ bytes, elapsedMs: this.#clock.now() - this.#startMs, waitedMs: this.#waitedMs, workedMs: this.#workedMs });
  }
}
