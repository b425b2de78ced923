import { heldBackLength } from "./match-literal.ts";

export interface ScannedText {
  /** Text that contains no stop string and cannot be the beginning of one. */
  readonly text: string;
  /** The stop string that was met; everything from it on is dropped. */
  readonly stoppedBy?: string | undefined;
}

/** Looks for stop strings in text that arrives in pieces; a stop string is found wherever the cuts fall. */
export class StopScanner {
  readonly #stops: readonly string[];
  #held = "";

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== "");
  }

  push(text: string): ScannedText {
    const all = this.#held + text;
    let first = -1;
    let stoppedBy: string | undefined;
    for (const stop of this.#stops) {
      const at = all.indexOf(stop);
      if (at === -1 || (first !== -1 && at >= first)) continue;
      first = at;
      stoppedBy = stop;
    }
    if (stoppedBy !== undefined) {
      this.#held = "";
      return { text: all.slice(0, first), stoppedBy };
    }
    const heldLength = Math.max(0, ...this.#stops.map((stop) => heldBackLength(all, stop)));
    this.#held = all.slice(all.length - heldLength);
    return { text: all.slice(0, all.length - heldLength) };
  }

  /** What was held back, for no more text follows. */
  end(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }
}
