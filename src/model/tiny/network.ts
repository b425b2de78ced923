import type { GgufTensor, GgufValue } from "../gguf/index.ts";
import { Matrix } from "./matrix.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** The weights of a transformer with one attention head per block. */
export interface Network {
  /** `qwen3` is `llama` with norms on queries and keys, and may have a classifier. */
  readonly architecture: "llama" | "qwen3";
  readonly vocabulary: Vocabulary;
  /** Places in the residual stream. */
  readonly size: number;
  readonly headSize: number;
  readonly ropeBase: number;
  readonly feedForwardSize: number;
  /** One row of `size` values per token. */
  readonly embedding: Matrix;
  readonly blocks: readonly Block[];
  /** Weights of the last norm, one per place. */
  readonly outputNorm: Float32Array;
  /** Zero weights to replace the feed-forward parts by; they make a file large and slow to load, and nothing else. */
  readonly padding?: Padding | undefined;
  /** Left out: the embedding serves. */
  readonly output?: Matrix | undefined;
  /** For models that judge instead of speaking: one row per label. */
  readonly classifier?: { readonly labels: readonly string[]; readonly weights: Matrix } | undefined;
}

export interface Block {
  /** The one weight of the norm before attention, and before the feed-forward part. */
  readonly attentionNorm: number;
  readonly feedForwardNorm: number;
  /** What the norm of queries multiplies them with, where the architecture has one; that of keys is one. */
  readonly queryNorm?: number | undefined;
  readonly query: Matrix;
  readonly key: Matrix;
  readonly value: Matrix;
  readonly attentionOutput: Matrix;
  readonly gate: Matrix;
  readonly up: Matrix;
  readonly down: Matrix;
}

/** A mixture of experts of which each token uses one: all weights are loaded, few are computed with. */
export interface Padding {
  readonly expertCount: number;
  /** The feed-forward size of one expert. */
  readonly expertSize: number;
}

/** A block that changes nothing, to be filled in. */
export function emptyBlock(sizes: { size: number; headSize: number; feedForwardSize: number; norm: number }): Block {
  const { size, headSize, feedForwardSize, norm } = sizes;
  return {
    attentionNorm: norm,
    feedForwardNorm: norm,
    query: new Matrix(size, headSize),
    key: new Matrix(size, headSize),
    value: new Matrix(size, headSize),
    attentionOutput: new Matrix(headSize, size),
    gate: new Matrix(size, feedForwardSize),
    up: new Matrix(size, feedForwardSize),
    down: new Matrix(feedForwardSize, size),
  };
}

/** The keys that say how large the network is. */
export function networkMetadata(network: Network): Record<string, GgufValue> {
  const sizes = {
    vocab_size: network.vocabulary.tokens.length,
    embedding_length: network.size,
    block_count: network.blocks.length,
    feed_forward_length: network.padding?.expertSize ?? network.feedForwardSize,
    "attention.head_count": 1,
    "attention.head_count_kv": 1,
    "attention.key_length": network.headSize,
    "attention.value_length": network.headSize,
    "rope.dimension_count": network.headSize,
  };
  const expertCounts = network.padding && { expert_count: network.padding.expertCount, expert_used_count: 1 };
  const prefix = network.architecture;
  return {
    ...Object.fromEntries(
      Object.entries({ ...sizes, ...expertCounts }).map(([key, value]) => [`${prefix}.${key}`, { type: "u32", value }]),
    ),
    [`${prefix}.rope.freq_base`]: { type: "f32", value: network.ropeBase },
    [`${prefix}.attention.layer_norm_rms_epsilon`]: { type: "f32", value: 1e-6 },
    ...(network.classifier ? { [`${prefix}.classifier.output_labels`]: { type: "string[]", value: network.classifier.labels } } : {}),
  };
}

export function networkTensors(network: Network): GgufTensor[] {
  const uniformNorm = (name: string, weight: number, size = network.size) => norm(name, new Float32Array(size).fill(weight));
  const headNorms = (name: string, { queryNorm = 1 }: Block) => [
    uniformNorm(`${name}.attn_q_norm`, queryNorm, network.headSize),
    uniformNorm(`${name}.attn_k_norm`, 1, network.headSize),
  ];
  return [
    weights("token_embd", network.embedding),
    norm("output_norm", network.outputNorm),
    ...(network.output ? [weights("output", network.output)] : []),
    ...(network.classifier ? [weights("cls.output", network.classifier.weights)] : []),
    ...network.blocks.flatMap((block, index) => [
      uniformNorm(`blk.${index}.attn_norm`, block.attentionNorm),
      ...(network.architecture === "qwen3" ? headNorms(`blk.${index}`, block) : []),
      weights(`blk.${index}.attn_q`, block.query),
      weights(`blk.${index}.attn_k`, block.key),
      weights(`blk.${index}.attn_v`, block.value),
      weights(`blk.${index}.attn_output`, block.attentionOutput),
      uniformNorm(`blk.${index}.ffn_norm`, block.feedForwardNorm),
      ...(network.padding ? paddedFeedForward(`blk.${index}`, network.size, network.padding) : feedForward(`blk.${index}`, block)),
    ]),
  ];
}

function feedForward(name: string, block: Block): GgufTensor[] {
  return [weights(`${name}.ffn_gate`, block.gate), weights(`${name}.ffn_up`, block.up), weights(`${name}.ffn_down`, block.down)];
}

function paddedFeedForward(name: string, size: number, { expertCount, expertSize }: Padding): GgufTensor[] {
  return [
    { name: `${name}.ffn_gate_inp.weight`, shape: [size, expertCount], type: "f32" },
    { name: `${name}.ffn_gate_exps.weight`, shape: [size, expertSize, expertCount], type: "f16" },
    { name: `${name}.ffn_up_exps.weight`, shape: [size, expertSize, expertCount], type: "f16" },
    { name: `${name}.ffn_down_exps.weight`, shape: [expertSize, size, expertCount], type: "f16" },
  ];
}

function weights(name: string, { columns, rows, values }: Matrix): GgufTensor {
  return { name: `${name}.weight`, shape: [columns, rows], type: "f16", values };
}

function norm(name: string, values: Float32Array): GgufTensor {
  return { name: `${name}.weight`, shape: [values.length], type: "f32", values };
}
