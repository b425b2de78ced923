import type { GgufFacts, LayerFacts } from "./gguf/index.ts";

export interface EstimateOptions {
  /** Context of the loaded model, in tokens, shared by all its sequences. */
  readonly contextTokens: number;
  /** Conversations held at once. Defaults to 4, as llama-server does. */
  readonly sequences?: number | undefined;
  /** Bytes per cached value: 2 for f16 (default), 1.0625 for q8_0, 0.5625 for q4_0. */
  readonly kvBytesPerValue?: number | undefined;
  /** Tokens computed at once. Defaults to 512. */
  readonly microBatchTokens?: number | undefined;
  /** Size of the projector file, which is loaded whole. */
  readonly projectorBytes?: number | undefined;
}

export interface MemoryEstimate {
  readonly weightsBytes: number;
  /** Key and value cache at this context. */
  readonly kvCacheBytes: number;
  /** What one more token of context costs: layers with a full cache only, since windows stop growing. */
  readonly kvCacheBytesPerToken: number;
  /** Recurrent states, which do not grow with the context. */
  readonly stateBytes: number;
  /** Scratch space of a computation; a rough figure. */
  readonly computeBytes: number;
  readonly totalBytes: number;
}

/** llama.cpp rounds the cache of a sliding window up to this many tokens. */
const WINDOW_ROUNDING_TOKENS = 256;
const STATE_BYTES_PER_VALUE = 4;

/** How much memory a model needs with a given context, from facts in its header. Exact in weights and caches, rough in scratch space. */
export function estimateMemory(facts: GgufFacts, options: EstimateOptions): MemoryEstimate {
  const { contextTokens, sequences = 4, kvBytesPerValue = 2, microBatchTokens = 512, projectorBytes = 0 } = options;
  const cachedTokens = ({ windowTokens }: LayerFacts): number => {
    if (windowTokens === undefined) return contextTokens;
    const window = Math.min(contextTokens, windowTokens * sequences + microBatchTokens);
    return Math.ceil(window / WINDOW_ROUNDING_TOKENS) * WINDOW_ROUNDING_TOKENS;
  };
  const sum = (value: (layer: LayerFacts) => number): number => facts.layers.reduce((total, layer) => total + value(layer), 0);
  const weightsBytes = facts.otherWeightsBytes + projectorBytes + sum((layer) => layer.weightsBytes);
  const kvCacheBytes = kvBytesPerValue * sum((layer) => layer.kvValuesPerToken * cachedTokens(layer));
  const kvCacheBytesPerToken = kvBytesPerValue * sum((layer) => (layer.windowTokens === undefined ? layer.kvValuesPerToken : 0));
  const stateBytes = STATE_BYTES_PER_VALUE * sequences * sum((layer) => layer.stateValues);
  const computeBytes = estimateCompute(facts, { contextTokens, microBatchTokens });
  return {
    weightsBytes,
    kvCacheBytes,
    kvCacheBytesPerToken,
    stateBytes,
    computeBytes,
    totalBytes: weightsBytes + kvCacheBytes + stateBytes + computeBytes,
  };
}

/**
 * The largest intermediate values that live at the same time: some activations per token, the attention mask in half precision, and
 * a row of logits per token (older engines reserve that, newer ones a row per sequence). The fixed part is what every context has.
 */
function estimateCompute(
  facts: GgufFacts,
  { contextTokens, microBatchTokens }: { contextTokens: number; microBatchTokens: number },
): number {
  const activations = microBatchTokens * (facts.embeddingLength ?? 0) * 4 * 8;
  const mask = facts.layers.some((layer) => layer.kvValuesPerToken > 0) ? microBatchTokens * contextTokens * 2 : 0;
  const logits = facts.isEncoder ? 0 : microBatchTokens * (facts.vocabularySize ?? 0) * 4;
  return 4 * 2 ** 20 + activations + mask + logits;
}
