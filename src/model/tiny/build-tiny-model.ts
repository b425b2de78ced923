import { flattenImage, type GgufValue, type SparseImage, writeGguf } from "../gguf/index.ts";
import { chatTemplate } from "./chat-template.ts";
import { embeddingNetwork } from "./embedding-network.ts";
import { type Network, networkMetadata, networkTensors } from "./network.ts";
import { RANKING_TEMPLATE, rankingNetwork } from "./ranking-network.ts";
import { speakingNetwork } from "./speaking-network.ts";
import { END_OF_TURN, PADDING, SEPARATOR, type Vocabulary } from "./vocabulary.ts";

export interface TinyOptions {
  /** `general.name` of the file. Defaults to `tiny`. */
  readonly name?: string | undefined;
  /** The trained context length that the file claims, in tokens. Defaults to 4096. */
  readonly contextTokens?: number | undefined;
  /** Never ends its turn: the sentence goes round until the client has enough. */
  readonly endless?: boolean | undefined;
  /** Thinks in a `<think>` block before it says the sentence. */
  readonly reasoning?: boolean | undefined;
  /**
   * Zeros to add, in bytes, for a speaking model: they say nothing, but an engine takes two to three seconds to load a gigabyte.
   * Once only: what has been read stays in the system's cache until the file is written anew. Defaults to 0.
   */
  readonly paddingBytes?: number | undefined;
  /** Says nothing, but turns text into vectors: texts that share words get similar ones. */
  readonly embedding?: boolean | undefined;
  /** Says nothing, but judges how much of a query a document contains. */
  readonly reranking?: boolean | undefined;
}

/** The tiny model as the bytes of a GGUF file; the same options give the same bytes. */
export function buildTinyModel(options: TinyOptions = {}): Uint8Array {
  return flattenImage(describeTinyModel(options));
}

/** The same file as its length and the parts that are not zero, to be written with gaps between them. */
export function describeTinyModel(options: TinyOptions = {}): SparseImage {
  const { network, description, metadata } = variantOf(options);
  return writeGguf({
    metadata: {
      "general.architecture": { type: "string", value: network.architecture },
      "general.type": { type: "string", value: "model" },
      "general.name": { type: "string", value: options.name ?? "tiny" },
      "general.description": { type: "string", value: `${description}; made by lemon.ts for first runs and tests` },
      "general.license": { type: "string", value: "apache-2.0" },
      "general.file_type": { type: "u32", value: FILE_TYPE_F16 },
      ...networkMetadata(network),
      [`${network.architecture}.context_length`]: { type: "u32", value: options.contextTokens ?? 4096 },
      ...metadata,
      ...tokenizer(network.vocabulary),
    },
    tensors: networkTensors(network),
  });
}

/** Most tensors have 16-bit floats. */
const FILE_TYPE_F16 = 1;
const MEAN_POOLING = 1;
const RANK_POOLING = 4;

interface Variant {
  readonly network: Network;
  readonly description: string;
  readonly metadata: Readonly<Record<string, GgufValue>>;
}

function variantOf({ embedding, reranking, endless = false, reasoning = false, paddingBytes }: TinyOptions): Variant {
  if (embedding) {
    return {
      network: embeddingNetwork(),
      description: "Counts pairs of letters",
      metadata: { "llama.pooling_type": { type: "u32", value: MEAN_POOLING } },
    };
  }
  if (reranking) {
    return {
      network: rankingNetwork(),
      description: "Finds pairs of letters",
      metadata: {
        "qwen3.pooling_type": { type: "u32", value: RANK_POOLING },
        "tokenizer.chat_template.rerank": { type: "string", value: RANKING_TEMPLATE },
      },
    };
  }
  return {
    network: speakingNetwork({ isEndless: endless, isReasoning: reasoning }, { paddingBytes }),
    description: "Says one sentence",
    metadata: { "tokenizer.chat_template": { type: "string", value: chatTemplate({ isReasoning: reasoning }) } },
  };
}

function tokenizer(vocabulary: Vocabulary): Record<string, GgufValue> {
  const kindCode = { normal: 1, control: 3 } as const;
  return {
    // The one kind of tokenizer that needs no merges, keeps every byte, and is fast on megabytes of text.
    "tokenizer.ggml.model": { type: "string", value: "rwkv" },
    "tokenizer.ggml.tokens": { type: "string[]", value: vocabulary.tokens.map((token) => token.stored) },
    "tokenizer.ggml.token_type": { type: "i32[]", value: vocabulary.tokens.map((token) => kindCode[token.kind]) },
    "tokenizer.ggml.bos_token_id": { type: "u32", value: vocabulary.idOf(PADDING) },
    "tokenizer.ggml.eos_token_id": { type: "u32", value: vocabulary.idOf(END_OF_TURN) },
    "tokenizer.ggml.seperator_token_id": { type: "u32", value: vocabulary.idOf(SEPARATOR) },
    "tokenizer.ggml.padding_token_id": { type: "u32", value: vocabulary.idOf(PADDING) },
    "tokenizer.ggml.add_bos_token": { type: "bool", value: false },
    "tokenizer.ggml.add_eos_token": { type: "bool", value: false },
  };
}
