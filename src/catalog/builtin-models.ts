import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ModelFiles, ModelId } from "../model/index.ts";
import type { TinyOptions } from "../model/tiny/index.ts";
import { importLater, writeFileAtomic } from "../platform/index.ts";
import type { CatalogEntry } from "./catalog-entry.ts";

interface BuiltinModel {
  readonly entry: CatalogEntry;
  readonly options: TinyOptions;
}

const builtin = (name: string, labels: readonly string[], options: TinyOptions): BuiltinModel => ({
  entry: {
    id: name as ModelId,
    checkpoint: name,
    recipe: "llamacpp",
    labels,
    source: "builtin",
    suggested: name === "tiny",
    // It needs no network: our own code makes it on first use.
    isDownloaded: true,
    isRunnable: true,
  },
  options: { name, ...options },
});

/** The first is for newcomers; its variants serve tests and people who know of them, and are left out of lists. */
const BUILTIN_MODELS: readonly BuiltinModel[] = [
  builtin("tiny", [], {}),
  builtin("tiny-endless", [], { endless: true }),
  builtin("tiny-reasoning", ["reasoning"], { reasoning: true }),
  builtin("tiny-embedding", ["embeddings"], { embedding: true }),
  builtin("tiny-reranking", ["reranking"], { reranking: true }),
];

/** The models that our own code makes, written into the cache folder when first needed. */
export class BuiltinModels {
  readonly #folder: string;
  readonly #written = new Map<string, Promise<ModelFiles>>();

  constructor(cacheDir: string) {
    this.#folder = join(cacheDir, "models");
  }

  list(): readonly CatalogEntry[] {
    return BUILTIN_MODELS.map((model) => model.entry);
  }

  isHidden({ id, source }: CatalogEntry): boolean {
    return source === "builtin" && id !== BUILTIN_MODELS[0]?.entry.id;
  }

  find(id: string): CatalogEntry | undefined {
    return BUILTIN_MODELS.find((model) => model.entry.id === id)?.entry;
  }

  async locate(id: string): Promise<ModelFiles | undefined> {
    const model = BUILTIN_MODELS.find((candidate) => candidate.entry.id === id);
    if (!model) return undefined;
    const pending = this.#written.get(id) ?? this.#write(model);
    this.#written.set(id, pending);
    try {
      return await pending;
    } catch (error) {
      // The next call tries again: the disk may have room by then.
      this.#written.delete(id);
      throw error;
    }
  }

  async #write({ entry, options }: BuiltinModel): Promise<ModelFiles> {
    const path = join(this.#folder, `${entry.id}.gguf`);
    // The builder is loaded on first use: a server of other models never pays for it.
    const { buildTinyModel } = await importLater(() => import("../model/tiny/index.ts"));
    const bytes = buildTinyModel(options);
    // Compared, not just found: an older version of this program may have written another model under the name. An equal file is
    // left alone, because a running engine may have it mapped.
    const present = await readFile(path).catch(() => undefined);
    if (!present || !present.equals(bytes)) {
      await mkdir(this.#folder, { recursive: true });
      await writeFileAtomic(path, bytes);
    }
    return { model: path };
  }
}
