import { ArchitectureKeys } from "./architecture-keys.ts";
import { isEncoder, layerMemories, type LayerMemory } from "./layer-memory.ts";
import type { GgufHeader, GgufMetadata, GgufTensorInfo } from "./parse-header.ts";
import { fileTypeName, tensorTypeName } from "./tensor-types.ts";

export type Pooling = "none" | "mean" | "cls" | "last" | "rank";

export interface LayerFacts extends LayerMemory {
  readonly weightsBytes: number;
}

/** What the header of a model says, as plain data. */
export interface GgufFacts {
  readonly architecture: string;
  readonly name?: string | undefined;
  /** `Q4_K_M` and the like; the commonest tensor type where the file does not say. */
  readonly quant?: string | undefined;
  readonly parameterCount: number;
  /** The context the model was trained for, in tokens. */
  readonly contextTokens?: number | undefined;
  readonly embeddingLength?: number | undefined;
  readonly vocabularySize?: number | undefined;
  readonly expertCount?: number | undefined;
  readonly license?: string | undefined;
  readonly hasChatTemplate: boolean;
  /** The chat template knows tools, or a part for thinking. */
  readonly hasToolTemplate: boolean;
  readonly hasReasoningTemplate: boolean;
  /** How token vectors become one vector, for models that embed or rank. */
  readonly pooling?: Pooling | undefined;
  /** The model reads a text as a whole and generates none. */
  readonly isEncoder: boolean;
  /** Files that the model is split into. */
  readonly shardCount: number;
  readonly layers: readonly LayerFacts[];
  /** Weights outside the layers: embedding, output, norms. */
  readonly otherWeightsBytes: number;
}

const POOLINGS: readonly Pooling[] = ["none", "mean", "cls", "last", "rank"];

/** Facts from the headers of one model's files, first shard first. */
export function ggufFacts(headers: readonly [GgufHeader, ...GgufHeader[]]): GgufFacts {
  const { metadata } = headers[0];
  const keys = new ArchitectureKeys(metadata);
  const text = (key: string): string | undefined => {
    const value = metadata.get(key);
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const tensors = headers.flatMap((header) => header.tensors);
  const weights = weightsByLayer(tensors);
  const template = text("tokenizer.chat_template");
  const tokens = metadata.get("tokenizer.ggml.tokens");
  const fileType = metadata.get("general.file_type");
  const shards = metadata.get("split.count");
  return {
    architecture: keys.architecture,
    name: text("general.name"),
    quant: (typeof fileType === "number" ? fileTypeName(fileType) : undefined) ?? commonestType(tensors),
    parameterCount: tensors.reduce((sum, tensor) => sum + tensor.valueCount, 0),
    contextTokens: keys.number("context_length"),
    embeddingLength: keys.number("embedding_length"),
    vocabularySize: keys.number("vocab_size") ?? (typeof tokens === "object" ? tokens.length : undefined),
    expertCount: keys.number("expert_count") || undefined,
    license: text("general.license"),
    hasChatTemplate: template !== undefined,
    hasToolTemplate: template !== undefined && /\btools\b/.test(template),
    hasReasoningTemplate: template !== undefined && /<think>|enable_thinking|reasoning_content|<\|channel\|>/.test(template),
    pooling: poolingOf(keys),
    isEncoder: isEncoder(keys.architecture),
    shardCount: typeof shards === "number" && shards > 0 ? shards : 1,
    layers: layerMemories(keys).map((memory, layer) => ({ ...memory, weightsBytes: weights.layers.get(layer) ?? 0 })),
    otherWeightsBytes: weights.otherBytes,
  };
}

function weightsByLayer(tensors: readonly GgufTensorInfo[]): { layers: ReadonlyMap<number, number>; otherBytes: number } {
  const layers = new Map<number, number>();
  let otherBytes = 0;
  for (const { name, bytes } of tensors) {
    const layer = /^blk\.(\d+)\./.exec(name)?.[1];
    if (layer === undefined) otherBytes += bytes;
    else layers.set(Number(layer), (layers.get(Number(layer)) ?? 0) + bytes);
  }
  return { layers, otherBytes };
}

function commonestType(tensors: readonly GgufTensorInfo[]): string | undefined {
  const bytesByType = new Map<number, number>();
  for (const { type, bytes } of tensors) bytesByType.set(type, (bytesByType.get(type) ?? 0) + bytes);
  const [commonest] = [...bytesByType].toSorted((a, b) => b[1] - a[1]);
  return commonest && tensorTypeName(commonest[0]);
}

/** The labels that follow from a header, for models that no registry describes. */
export function labelsOfFacts(facts: GgufFacts): readonly string[] {
  const { isEncoder, pooling } = facts;
  return [
    ...kindLabels({ isEncoder, pooling }),
    ...(facts.hasReasoningTemplate ? ["reasoning"] : []),
    ...(facts.hasToolTemplate ? ["tool-calling"] : []),
  ];
}

/** Those of them that decide how the engine is started, from the beginning of a header. */
export function labelsOfBeginning(metadata: GgufMetadata): readonly string[] {
  const keys = new ArchitectureKeys(metadata);
  return kindLabels({ isEncoder: isEncoder(keys.architecture), pooling: poolingOf(keys) });
}

function poolingOf(keys: ArchitectureKeys): Pooling | undefined {
  const code = keys.number("pooling_type");
  return code === undefined ? undefined : POOLINGS[code];
}

function kindLabels({ isEncoder, pooling }: { readonly isEncoder: boolean; readonly pooling: Pooling | undefined }): readonly string[] {
  if (pooling === "rank") return ["reranking"];
  return isEncoder || (pooling !== undefined && pooling !== "none") ? ["embeddings"] : [];
}
