import type { GgufMetadata } from "./parse-header.ts";

/** Reads the keys that begin with the architecture's name, such as `llama.context_length`. */
export class ArchitectureKeys {
  readonly architecture: string;
  readonly #metadata: GgufMetadata;

  constructor(metadata: GgufMetadata) {
    const architecture = metadata.get("general.architecture");
    this.architecture = typeof architecture === "string" ? architecture : "unknown";
    this.#metadata = metadata;
  }

  number(key: string): number | undefined {
    const value = this.#metadata.get(`${this.architecture}.${key}`);
    return typeof value === "number" ? value : undefined;
  }

  /** A value given once for all layers or as a list with one for each. */
  perLayer(key: string, layerCount: number): readonly number[] | undefined {
    const value = this.#metadata.get(`${this.architecture}.${key}`);
    if (typeof value === "number") return Array.from({ length: layerCount }, () => value);
    if (typeof value !== "object" || !value.values) return undefined;
    return Array.from({ length: layerCount }, (_, layer) => Number(value.values?.[layer] ?? 0));
  }

  has(key: string): boolean {
    return this.#metadata.has(`${this.architecture}.${key}`);
  }
}
