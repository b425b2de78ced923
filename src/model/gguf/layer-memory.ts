import type { ArchitectureKeys } from "./architecture-keys.ts";

/** What one layer keeps per token or per conversation, besides its weights. */
export interface LayerMemory {
  /** Values in the key and value cache per token. */
  readonly kvValuesPerToken: number;
  /** A sliding-window layer caches no more tokens than about this many. */
  readonly windowTokens?: number | undefined;
  /** Values of a recurrent state, held once per sequence whatever its length, as 32-bit floats. */
  readonly stateValues: number;
}

/** Architectures that read a text as a whole and keep nothing between calls. */
const UNCACHED = new Set(
  "bert jina-bert-v2 jina-bert-v3 nomic-bert nomic-bert-moe neo-bert eurobert wavtokenizer-dec modern-bert gemma-embedding t5encoder dream llada llada-moe rnd1".split(
    " ",
  ),
);

/** Architectures without attention: every layer has a state instead of a cache. */
const RECURRENT = new Set(["mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"]);

/** Every so many layers one attends to everything and the others keep a state; the number is the default of the key. */
const FULL_ATTENTION_EVERY: Readonly<Record<string, number>> = { qwen3next: 4, qwen35: 4, qwen35moe: 4, qwen4exp: 4, "minimax-01": 8 };

interface WindowPattern {
  /** One layer of so many attends to everything. */
  readonly every: number;
  /** That layer is the first of each group instead of the last. */
  readonly isFirst?: boolean;
  /** Window where the file states none. */
  readonly windowTokens?: number;
}

/** Sliding-window architectures whose files need not say which layers slide; llama.cpp knows by name, as it does here. */
const WINDOW_PATTERNS: Readonly<Record<string, WindowPattern>> = {
  afmoe: { every: 4 },
  cohere2: { every: 4 },
  cohere2moe: { every: 4, isFirst: true },
  "exaone-moe": { every: 4, windowTokens: 128 },
  gemma2: { every: 2, windowTokens: 4096 },
  gemma3: { every: 6 },
  gemma3n: { every: 5 },
  "gpt-oss": { every: 2 },
  laguna: { every: 4, isFirst: true },
  llama4: { every: 4, windowTokens: 8192 },
  mellum: { every: 4 },
  "muse-glimmer": { every: 4 },
  olmo2: { every: 4 },
  plamo3: { every: 8 },
  smallthinker: { every: 4, isFirst: true },
};

/** Per layer, what the engine will keep for it: by the same rules by which llama.cpp sizes its caches. */
export function layerMemories(keys: ArchitectureKeys): readonly LayerMemory[] {
  const layerCount = keys.number("block_count") ?? 0;
  // Layers that predict further tokens are loaded but take no part in the normal pass.
  const activeCount = layerCount - (keys.number("nextn_predict_layers") ?? 0);
  const kvValues = kvValuesPerToken(keys, layerCount);
  const slides = slidingLayers(keys, layerCount);
  const windowTokens = keys.number("attention.sliding_window") ?? WINDOW_PATTERNS[keys.architecture]?.windowTokens;
  const recurrent = recurrentLayers(keys, layerCount);
  const stateValues = recurrentStateValues(keys);
  const kvEnd = layersWithOwnCache(keys, layerCount);
  return Array.from({ length: layerCount }, (_, layer): LayerMemory => {
    const isCached = layer < activeCount && layer < kvEnd && recurrent[layer] !== "only";
    const doesSlide = slides[layer] === true && windowTokens !== undefined && windowTokens > 0;
    return {
      kvValuesPerToken: isCached ? ((doesSlide ? kvValues.sliding[layer] : kvValues.full[layer]) ?? 0) : 0,
      windowTokens: doesSlide ? windowTokens : undefined,
      stateValues: layer < activeCount && recurrent[layer] ? stateValues : 0,
    };
  });
}

/** Layers from this one on reuse the cache of an earlier layer. */
function layersWithOwnCache(keys: ArchitectureKeys, layerCount: number): number {
  if (keys.architecture === "gemma3n") return 20;
  return layerCount - (keys.number("attention.shared_kv_layers") ?? 0);
}

function kvValuesPerToken(keys: ArchitectureKeys, layerCount: number): { full: readonly number[]; sliding: readonly number[] } {
  const nothing = Array.from({ length: layerCount }, () => 0);
  const heads = keys.perLayer("attention.head_count", layerCount);
  if (!heads || UNCACHED.has(keys.architecture)) return { full: nothing, sliding: nothing };
  const kvHeads = keys.perLayer("attention.head_count_kv", layerCount) ?? heads;
  const headSize = (keys.number("embedding_length") ?? 0) / (heads.find((count) => count > 0) ?? 1);
  // Latent attention (DeepSeek) caches one compressed vector, from which keys and values are both made.
  const isLatent = keys.has("attention.key_length_mla");
  const keySize = keys.number("attention.key_length") ?? headSize;
  const valueSize = isLatent ? 0 : (keys.number("attention.value_length") ?? headSize);
  const slidingSize = (keys.number("attention.key_length_swa") ?? keySize) + (keys.number("attention.value_length_swa") ?? valueSize);
  // Sparse attention keeps a further key per token by which it chooses.
  const indexSize = isLatent ? (keys.number("attention.indexer.key_length") ?? 0) : 0;
  return {
    full: kvHeads.map((count) => count * (keySize + valueSize) + (count > 0 ? indexSize : 0)),
    sliding: kvHeads.map((count) => count * slidingSize),
  };
}

function slidingLayers(keys: ArchitectureKeys, layerCount: number): readonly boolean[] {
  const { architecture } = keys;
  const none = Array.from({ length: layerCount }, () => false);
  const known = WINDOW_PATTERNS[architecture];
  const window = keys.number("attention.sliding_window");
  // Phi 3 states a window that llama.cpp does not use; EXAONE 4 slides in its large size only.
  if (architecture === "phi3" || window === 0) return none;
  if (architecture === "lfm2") return window === undefined ? none : none.map(() => true);
  const every = keys.number("attention.sliding_window_pattern");
  const stated = every === undefined ? keys.perLayer("attention.sliding_window_pattern", layerCount) : undefined;
  if (stated) return stated.map((slides) => slides !== 0);
  const pattern = architecture === "exaone4" && layerCount === 64 ? { every: 4 } : known;
  if (!pattern && every === undefined) return none;
  const group = every ?? pattern?.every ?? 0;
  if (group === 0) return none.map(() => true);
  return none.map((_, layer) => (pattern?.isFirst ? layer % group !== 0 : layer % group < group - 1));
}

/** For each layer whether it keeps a recurrent state: beside its attention, or instead of it (`only`). */
function recurrentLayers(keys: ArchitectureKeys, layerCount: number): readonly (false | "beside" | "only")[] {
  const { architecture } = keys;
  const layers = Array.from({ length: layerCount }, (_, layer) => layer);
  if (RECURRENT.has(architecture)) return layers.map(() => "only");
  if (architecture === "falcon-h1") return layers.map(() => "beside");
  const every = keys.number("full_attention_interval") ?? FULL_ATTENTION_EVERY[architecture];
  const stated = keys.perLayer("attention.recurrent_layers", layerCount);
  if (stated) return stated.map((isRecurrent) => (isRecurrent ? "only" : false));
  if (FULL_ATTENTION_EVERY[architecture] !== undefined && every) return layers.map((layer) => ((layer + 1) % every === 0 ? false : "only"));
  const hasState = keys.has("ssm.state_size") || keys.has("shortconv.l_cache") || keys.has("kda.head_dim");
  const kvHeads = keys.perLayer("attention.head_count_kv", layerCount);
  if (!hasState || !kvHeads) return layers.map(() => false);
  // Nemotron-H has layers with neither: only a feed-forward part.
  const feedForward = architecture.startsWith("nemotron_h") ? keys.perLayer("feed_forward_length", layerCount) : undefined;
  return layers.map((layer) => (kvHeads[layer] === 0 && !feedForward?.[layer] ? "only" : false));
}

/** The size of one layer's recurrent state: its convolution window and the state proper. */
function recurrentStateValues(keys: ArchitectureKeys): number {
  const embedding = keys.number("embedding_length") ?? 0;
  const heads = keys.perLayer("attention.head_count", 1)?.[0] ?? 0;
  const wkvHeadSize = keys.number("wkv.head_size");
  if (wkvHeadSize) return embedding * ((keys.number("token_shift_count") ?? 2) + wkvHeadSize);
  const shortConvolution = keys.number("shortconv.l_cache");
  if (shortConvolution) return embedding * (shortConvolution - 1);
  const convolution = Math.max(0, (keys.number("ssm.conv_kernel") ?? 0) - 1);
  const kdaHeadSize = keys.number("kda.head_dim");
  if (kdaHeadSize) return heads * kdaHeadSize * (3 * (convolution || 3) + kdaHeadSize);
  if (keys.architecture === "minimax-01") return heads * (keys.number("attention.key_length") ?? 0) ** 2;
  const inner = keys.number("ssm.inner_size") ?? 0;
  const state = keys.number("ssm.state_size") ?? 0;
  return convolution * (inner + 2 * (keys.number("ssm.group_count") ?? 0) * state) + state * inner;
}

export const isEncoder = (architecture: string): boolean => UNCACHED.has(architecture) && /bert|embedding|t5encoder/.test(architecture);
