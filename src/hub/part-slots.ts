/**
 * Bounds how many parts of files are in memory at once, over all downloads of the program. Slots are given in the order in which they
 * were asked for: a part can then never wait for a slot that a later part of the same file holds, so downloads cannot block each other.
 */
export class PartSlots {
  #free: number;
  readonly #waiting: ((release: () => void) => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves to the function that gives the slot back; calling it twice is harmless. */
  async acquire(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return this.#releaser();
    }
    return await new Promise((resolve, reject) => {
      const take = (release: () => void): void => {
        signal.removeEventListener("abort", leave);
        resolve(release);
      };
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1);
        reject(signal.reason);
      };
      this.#waiting.push(take);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  #releaser(): () => void {
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const next = this.#waiting.shift();
      if (next) next(this.#releaser());
      else this.#free++;
    };
  }
}
