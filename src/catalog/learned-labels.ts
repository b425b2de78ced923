import { labelsOfFacts, type GgufFacts } from "../model/gguf/index.ts";
import type { CatalogEntry, FoundModel } from "./catalog-entry.ts";

/** Far more models than anybody loads while a server runs. */
const MOST_KEPT = 4096;

/**
 * Labels that only a whole header tells: what the chat template can do. Lists are of thousands of models and read only the beginnings of
 * headers, so these labels are there from a model's first load on, in lists and wherever else it is described.
 */
export class LearnedLabels {
  readonly #byPath = new Map<string, readonly string[]>();
  readonly #entries = new WeakMap<FoundModel, { readonly learned: readonly string[]; readonly entry: CatalogEntry }>();
  #version = 0;

  /** Grows with all that is learned. */
  get version(): number {
    return this.#version;
  }

  /** Remembers what the header of the file at `path` says. */
  learn(path: string, facts: GgufFacts): void {
    const labels = labelsOfFacts(facts);
    if (this.#byPath.get(path)?.join() === labels.join()) return;
    this.#byPath.set(path, labels);
    const [oldest] = this.#byPath.keys();
    if (this.#byPath.size > MOST_KEPT && oldest !== undefined) this.#byPath.delete(oldest);
    this.#version++;
  }

  /** The entry with the labels that are known by now; the same object as long as no more are. */
  describe(model: FoundModel): CatalogEntry {
    const learned = this.#byPath.get(model.files.model);
    if (learned === undefined || learned.every((label) => model.entry.labels.includes(label))) return model.entry;
    const last = this.#entries.get(model);
    if (last?.learned === learned) return last.entry;
    const entry = { ...model.entry, labels: [...new Set([...model.entry.labels, ...learned])] };
    this.#entries.set(model, { learned, entry });
    return entry;
  }
}
