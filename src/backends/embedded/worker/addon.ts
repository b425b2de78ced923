import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

/**
 * The native add-on inside the platform packages of node-llama-cpp, as far as we use it. Its JavaScript half is not loaded: it costs
 * 100 ms and 30 MB, tests the add-on in a child process first, and hides the batch, which we must stop between two steps when a
 * client has gone. This interface is not public, so the package is pinned to exact versions and the tests run on them.
 */
export interface Addon {
  readonly AddonModel: new (path: string, options: ModelOptions) => AddonModel;
  readonly AddonContext: new (model: AddonModel, options: ContextOptions) => AddonContext;
  readonly AddonSampler: SamplerClass;
  readonly AddonGrammar: new (gbnf: string, options: { addonExports: Addon; rootRuleName: string }) => AddonGrammar;
  readonly AddonGrammarEvaluationState: new (model: AddonModel, grammar: AddonGrammar) => GrammarState;
  readonly AddonJinjaRenderer: new (template: string) => { render(variables: Readonly<Record<string, unknown>>): string };
  setLogger(logger: (level: number, text: string) => void): void;
  /** 2 errors, 3 warnings, 4 information, 6 everything. */
  setLoggerLogLevel(level: number): void;
  /** Loads the best of the CPU variants and the GPU backends that lie in `folder`. */
  loadBackends(folder: string): void;
  init(): Promise<void>;
  getGpuType(): string | false | undefined;
}

export interface ModelOptions {
  readonly addonExports: Addon;
  readonly useMmap: boolean;
  readonly gpuLayers?: number;
  readonly onLoadProgress?: (fraction: number) => void;
}

export interface AddonModel {
  /** False when the file cannot be loaded; the log says why. */
  init(): Promise<boolean>;
  /** Without the tokens that begin and end a text. */
  tokenize(text: string, parseSpecial: boolean): Uint32Array;
  detokenize(tokens: Uint32Array, showSpecial: boolean): string;
  getTrainContextSize(): number;
  getEmbeddingVectorSize(): number;
  getTotalSize(): number;
  getTotalParameters(): number;
  getVocabularyType(): number;
  /** As the vocabulary lists it; undefined past its end. */
  getTokenString(token: number): string | undefined;
  getTokenAttributes(token: number): number;
  /** -1 when the vocabulary has none; the same for the others. */
  tokenBos(): number;
  tokenEos(): number;
  sepToken(): number;
  isEogToken(token: number): boolean;
  shouldPrependBosToken(): boolean;
  shouldAppendEosToken(): boolean;
}

export interface ContextOptions {
  /** Tokens of all sequences together. */
  readonly contextSize: number;
  readonly batchSize: number;
  readonly sequences: number;
  readonly flashAttention: "auto" | boolean;
  readonly embeddings?: boolean;
  readonly ranking?: boolean;
  readonly threads?: number;
}

export interface AddonContext {
  /** False when there is not enough memory; the log says more. */
  init(): Promise<boolean>;
  /** Empties the batch and gives it room for `size` tokens. */
  initBatch(size: number): void;
  /** Adds tokens of one sequence; returns the places in the batch whose logits were asked for by `logitIndexes` into `tokens`. */
  addToBatch(sequence: number, position: number, tokens: Uint32Array, logitIndexes: Uint32Array): Uint32Array;
  decodeBatch(): Promise<void>;
  sampleToken(batchIndex: number, sampler: AddonSampler): Promise<number>;
  /** With `probabilities`: the candidates of the sampler as [token, probability, token, probability, …], most probable first. */
  sampleToken(batchIndex: number, sampler: AddonSampler, probabilities: true): Promise<[token: number, probabilities?: number[]]>;
  disposeSequence(sequence: number): void;
  /** False when the model cannot forget a part of a sequence (recurrent ones). */
  removeTokenCellsFromSequence(sequence: number, from: number, to: number): boolean;
  getSequenceKvCacheMinPosition(sequence: number): number;
  /** The pooled embedding of sequence 0, or the one of the last token of the batch when the model does not pool. */
  getEmbedding(tokenCount: number): Float64Array;
}

export interface SamplerClass {
  new (model: AddonModel): AddonSampler;
  /** Throws when the grammar does not allow the token. */
  acceptGrammarEvaluationStateToken(state: GrammarState, token: number): void;
}

export interface AddonSampler {
  applyConfig(config: SamplerConfig): void;
  dispose(): void;
}

/** Whatever is left out is off; without a temperature above 0 the choice is greedy. */
export interface SamplerConfig {
  readonly temperature: number;
  readonly seed: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly xtcProbability?: number;
  readonly xtcThreshold?: number;
  readonly repeatPenalty?: number;
  readonly repeatPenaltyMaxTokens?: number;
  readonly repeatPenaltyTokens?: Uint32Array;
  readonly repeatPenaltyPresencePenalty?: number;
  readonly repeatPenaltyFrequencyPenalty?: number;
  readonly dryRepeatPenaltyStrength?: number;
  readonly dryRepeatPenaltyBase?: number;
  readonly dryRepeatPenaltyAllowedLength?: number;
  readonly dryRepeatPenaltyLastTokens?: number;
  readonly dryRepeatPenaltySequenceBreakers?: string[];
  readonly tokenBiasKeys?: Uint32Array;
  readonly tokenBiasValues?: Float32Array;
  readonly grammarEvaluationState?: GrammarState;
}

export interface AddonGrammar {
  isTextCompatible(text: string): boolean;
}

export interface GrammarState {
  readonly __brand: "GrammarState";
}

/** Loads the add-on of an installed engine; throws when none fits this machine. */
export function loadAddon(engineFolder: string, log: (text: string) => void): Addon {
  const file = findAddon(engineFolder);
  // The add-on declares no JavaScript types.
  const addon = createRequire(import.meta.url)(file.path) as Addon;
  // Without a logger the add-on prints on standard output, which belongs to the protocol.
  addon.setLogger((_level, text) => log(text));
  addon.setLoggerLogLevel(LOG_WARNINGS);
  addon.loadBackends(file.folder);
  return addon;
}

const LOG_WARNINGS = 3;

function findAddon(engineFolder: string): { path: string; folder: string } {
  const scope = join(engineFolder, "node_modules", "@node-llama-cpp");
  const found = list(scope).flatMap((name) => list(join(scope, name, "bins")).map((variant) => join(scope, name, "bins", variant)));
  const folder = found[0];
  if (folder === undefined) throw new Error(`no engine is installed in ${engineFolder}`);
  return { folder, path: join(folder, "llama-addon.node") };
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => !name.startsWith("."));
  } catch {
    return [];
  }
}
