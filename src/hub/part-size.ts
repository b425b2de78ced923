import type { Clock } from "./clock.ts";

const KIB = 1024;
const FIRST_BYTES = 1024 * KIB;
const MIN_BYTES = 256 * KIB;
/** Four connections with this much each stay below 60 MB with all that the runtime keeps around them; 4 MiB does not. */
export const MAX_PART_BYTES = 3 * 1024 * KIB;
/** Long enough that asking costs little of a part's time, short enough that a killed process has lost little. */
const AIM_MS = 1000;

/** Chooses how large the next part is: about a second's worth on one connection, as measured on the parts before it. */
export class PartSizer {
  readonly #clock: Clock;
  #nextBytes = FIRST_BYTES;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get nextBytes(): number {
    return this.#nextBytes;
  }

  /** Starts timing a part; call the result with its size when it has arrived. */
  start(): (bytes: number) => void {
    const startMs = this.#clock.now();
    return (bytes) => {
      const aimed = (bytes / Math.max(1, this.#clock.now() - startMs)) * AIM_MS;
      // Half of the step, so that one lucky part does not decide.
      const next = (this.#nextBytes + aimed) / 2;
      this.#nextBytes = Math.round(Math.min(MAX_PART_BYTES, Math.max(MIN_BYTES, next)) / KIB) * KIB;
    };
  }
}

/** Gives the memory of a chunk back at once: waiting for the garbage collector costs a fast download ten times its window. */
export function freeBytes(chunk: Uint8Array): void {
  const { buffer } = chunk;
  // A view of a part of a shared buffer is not ours to free.
  if (buffer instanceof ArrayBuffer && chunk.byteLength === buffer.byteLength && !buffer.detached) buffer.transfer(0);
}
