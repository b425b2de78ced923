import { flattenImage, type GgufTensor, type GgufValue, type SparseImage, writeGguf } from "../gguf/index.ts";
import { chatTemplate } from "./chat-template.ts";
import { Matrix } from "./matrix.ts";
import { nextTokenLogits, type Speech } from "./next-token.ts";
import { createVocabulary, END_OF_TURN, PADDING, type Vocabulary } from "./vocabulary.ts";
import { embeddingSize, HEAD_SIZE, ROPE_BASE, wireAttention, wireMemories } from "./wire-attention.ts";

export interface TinyOptions {
  /** `general.name` of the file. Defaults to `tiny`. */
  readonly name?: string | undefined;
  /** The trained context length that the file claims, in tokens. Defaults to 4096. */
  readonly contextTokens?: number | undefined;
  /** Never ends its turn: the sentence goes round until the client has enough. */
  readonly endless?: boolean | undefined;
  /** Thinks in a `<think>` block before it says the sentence. */
  readonly reasoning?: boolean | undefined;
}

const FEED_FORWARD_SIZE = 32;

/** The tiny model as the bytes of a GGUF file; the same options give the same bytes. */
export function buildTinyModel(options: TinyOptions = {}): Uint8Array {
  return flattenImage(describeTinyModel(options));
}

/** The same file as its length and the parts that are not zero. */
export function describeTinyModel(options: TinyOptions = {}): SparseImage {
  const speech: Speech = { isEndless: options.endless ?? false, isReasoning: options.reasoning ?? false };
  const vocabulary = createVocabulary(speech);
  const tensors = layers(vocabulary, speech);
  return writeGguf({ metadata: { ...architecture(options, vocabulary), ...tokenizer(vocabulary, speech) }, tensors });
}

function architecture(options: TinyOptions, vocabulary: Vocabulary): Record<string, GgufValue> {
  return {
    "general.architecture": { type: "string", value: "llama" },
    "general.type": { type: "string", value: "model" },
    "general.name": { type: "string", value: options.name ?? "tiny" },
    "general.description": { type: "string", value: "Says one sentence; made by lemon.ts for first runs and tests" },
    "general.license": { type: "string", value: "apache-2.0" },
    "general.file_type": { type: "u32", value: 1 },
    "llama.vocab_size": { type: "u32", value: vocabulary.tokens.length },
    "llama.context_length": { type: "u32", value: options.contextTokens ?? 4096 },
    "llama.embedding_length": { type: "u32", value: embeddingSize(vocabulary) },
    "llama.block_count": { type: "u32", value: 2 },
    "llama.feed_forward_length": { type: "u32", value: FEED_FORWARD_SIZE },
    "llama.attention.head_count": { type: "u32", value: 1 },
    "llama.attention.head_count_kv": { type: "u32", value: 1 },
    "llama.attention.key_length": { type: "u32", value: HEAD_SIZE },
    "llama.attention.value_length": { type: "u32", value: HEAD_SIZE },
    "llama.attention.layer_norm_rms_epsilon": { type: "f32", value: 1e-6 },
    "llama.rope.dimension_count": { type: "u32", value: HEAD_SIZE },
    "llama.rope.freq_base": { type: "f32", value: ROPE_BASE },
  };
}

function tokenizer(vocabulary: Vocabulary, speech: Speech): Record<string, GgufValue> {
  const kindCode = { normal: 1, control: 3 } as const;
  return {
    // The one kind of tokenizer that needs no merges, keeps every byte, and is fast on megabytes of text.
    "tokenizer.ggml.model": { type: "string", value: "rwkv" },
    "tokenizer.ggml.tokens": { type: "string[]", value: vocabulary.tokens.map((token) => token.stored) },
    "tokenizer.ggml.token_type": { type: "i32[]", value: vocabulary.tokens.map((token) => kindCode[token.kind]) },
    "tokenizer.ggml.bos_token_id": { type: "u32", value: vocabulary.idOf(PADDING) },
    "tokenizer.ggml.eos_token_id": { type: "u32", value: vocabulary.idOf(END_OF_TURN) },
    "tokenizer.ggml.padding_token_id": { type: "u32", value: vocabulary.idOf(PADDING) },
    "tokenizer.ggml.add_bos_token": { type: "bool", value: false },
    "tokenizer.ggml.add_eos_token": { type: "bool", value: false },
    "tokenizer.chat_template": { type: "string", value: chatTemplate(speech) },
  };
}

/**
 * A token's embedding is a one in the place of its id. The blocks leave it as it is but for a few memories, so that it
 * reaches the output matrix, which is a table of what follows what.
 */
function layers(vocabulary: Vocabulary, speech: Speech): GgufTensor[] {
  const size = embeddingSize(vocabulary);
  // At this length the mean square is one, so that RMS norm changes nothing; its weights then make it a one.
  const oneHotLength = Math.sqrt(size);
  const embedding = new Matrix(size, vocabulary.tokens.length);
  const output = new Matrix(size, vocabulary.tokens.length);
  for (const [id, logits] of nextTokenLogits(vocabulary, speech).entries()) {
    embedding.set(id, id, oneHotLength);
    for (const [next, logit] of logits.entries()) output.set(next, id, logit);
  }
  wireMemories(vocabulary, output);
  return [
    weights("token_embd", embedding),
    normToOnes("output_norm", size),
    weights("output", output),
    ...wireAttention(vocabulary).flatMap((block, index) => [
      normToOnes(`blk.${index}.attn_norm`, size),
      weights(`blk.${index}.attn_q`, block.query),
      weights(`blk.${index}.attn_k`, block.key),
      weights(`blk.${index}.attn_v`, block.value),
      weights(`blk.${index}.attn_output`, block.output),
      normToOnes(`blk.${index}.ffn_norm`, size),
      zeros(`blk.${index}.ffn_gate`, size, FEED_FORWARD_SIZE),
      zeros(`blk.${index}.ffn_up`, size, FEED_FORWARD_SIZE),
      zeros(`blk.${index}.ffn_down`, FEED_FORWARD_SIZE, size),
    ]),
  ];
}

function weights(name: string, matrix: Matrix): GgufTensor {
  return { name: `${name}.weight`, shape: [matrix.columns, matrix.rows], type: "f16", values: matrix.values };
}

function zeros(name: string, columns: number, rows: number): GgufTensor {
  return { name: `${name}.weight`, shape: [columns, rows], type: "f16" };
}

function normToOnes(name: string, size: number): GgufTensor {
  return { name: `${name}.weight`, shape: [size], type: "f32", values: new Float32Array(size).fill(1 / Math.sqrt(size)) };
}
