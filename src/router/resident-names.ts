import type { Instance } from "./instance.ts";

/** Of aliases and spellings a client knows a few; anything more is somebody's game. */
const MAX_NAMES = 1000;

/** What resident models have been called by requests. */
export class ResidentNames {
  readonly #instances = new Map<string, Instance>();

  get(name: string): Instance | undefined {
    return this.#instances.get(name);
  }

  add(name: string, instance: Instance): void {
    if (this.#instances.size >= MAX_NAMES) this.clear();
    this.#instances.set(name, instance);
  }

  forget(instance: Instance): void {
    for (const [name, other] of this.#instances) if (other === instance) this.#instances.delete(name);
  }

  clear(): void {
    this.#instances.clear();
  }
}
