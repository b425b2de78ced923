/** Something that the first call makes and all later ones share. After a failure the next call makes it anew: what was in the way may be gone. */
export class Lazy<T> {
  readonly #make: () => Promise<T>;
  #made: Promise<T> | undefined;

  constructor(make: () => Promise<T>) {
    this.#make = make;
  }

  /** What was made or is being made; `undefined` before the first `get` and after a failure. */
  get made(): Promise<T> | undefined {
    return this.#made;
  }

  /** Rejects as making it does. */
  async get(): Promise<T> {
    this.#made ??= this.#begin();
    return await this.#made;
  }

  #begin(): Promise<T> {
    const made = this.#make();
    made.catch(() => (this.#made = undefined));
    return made;
  }
}
