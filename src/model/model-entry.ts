import type { ModelId } from "./model-id.ts";

/** How a model is used, which decides how its engine is started and which residency limit it counts against. */
export type ModelKind = "text" | "embedding" | "reranking";

/** Where the catalog learned of a model. */
export type ModelSource = "builtin" | "registry" | "user" | "models-dir" | "hub-cache" | "path";

/** One model that a client may name. Facts only: whether its files are here is a question to the catalog. */
export interface ModelEntry {
  readonly id: ModelId;
  /** `org/repo:VARIANT` on the hub, an FLM tag such as `llama3.2:1b`, or an absolute path. */
  readonly checkpoint: string;
  /** Which family of engines runs it: `llamacpp`, `flm`, or one that only other programs run (`oga-*`, `hf-*`). */
  readonly recipe: string;
  /** `embeddings` and `reranking` change how the engine is started; the others are for people and clients. */
  readonly labels: readonly string[];
  readonly source: ModelSource;
  readonly suggested: boolean;
  /** Bytes to download or on disk, where known. */
  readonly sizeBytes?: number | undefined;
  /** Projector file name inside the same repository, or its absolute path for models found in a folder. */
  readonly mmproj?: string | undefined;
  /** Another hub than Hugging Face that holds the checkpoint, by its name. */
  readonly hub?: string | undefined;
}

/** The files of one model on this disk, as absolute paths. */
export interface ModelFiles {
  /** The GGUF file, or the first shard of a split one. */
  readonly model: string;
  /** The multimodal projector, when the model has one. */
  readonly mmproj?: string | undefined;
}

/** The kind that the labels of an entry say; a model without such a label generates text. */
export function kindOfLabels(labels: readonly string[]): ModelKind {
  if (labels.includes("embeddings")) return "embedding";
  if (labels.includes("reranking")) return "reranking";
  return "text";
}
