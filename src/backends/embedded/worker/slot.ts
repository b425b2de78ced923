import type { Addon, AddonContext, AddonModel, AddonSampler, GrammarState, SamplerConfig } from "./addon.ts";
import type { GenerationCounts, GenerationRequest, GenerationResult, TokenProbability } from "./generation.ts";
import type { SamplingOptions } from "./generation-options.ts";

/** One sequence of the context and the request that it works on. */
export interface Slot {
  readonly id: number;
  /** Tokens whose state is in the cache. */
  tokens: number[];
  lastUsed: number;
  task: Task | undefined;
}

export interface TaskOptions {
  readonly addon: Addon;
  readonly model: AddonModel;
  readonly request: GenerationRequest;
  /** Tokens that never may be chosen, when the request ignores the end of the answer. */
  readonly endTokens: () => readonly number[];
  readonly tokensOfText: (text: string) => readonly number[];
}

/** A request in work: its sampler, what is still to be computed, and its times. */
export class Task {
  readonly request: GenerationRequest;
  readonly done: Promise<GenerationResult>;
  /** Tokens to compute next: the rest of the prompt, then one token at a time. */
  pending: number[] = [];
  cachedTokens = 0;
  #generated = 0;
  readonly #options: TaskOptions;
  readonly #history: number[];
  readonly #config: SamplerConfig;
  #sampler: AddonSampler | undefined;
  #observer: AddonSampler | undefined;
  readonly #settle: { resolve: (result: GenerationResult) => void; reject: (error: unknown) => void };
  #grammar: GrammarState | undefined;
  #startedMs = 0;
  #firstTokenMs = 0;
  #lastTokenMs = 0;

  constructor(options: TaskOptions) {
    const { request } = options;
    this.#options = options;
    this.request = request;
    this.#grammar = request.grammar;
    this.#history = request.prompt.slice(-Math.max(request.sampling.repeatLastTokens, 1));
    this.#config = samplerConfig(request.sampling, options);
    const { promise, resolve, reject } = Promise.withResolvers<GenerationResult>();
    this.done = promise;
    this.#settle = { resolve, reject };
  }

  get isPromptDone(): boolean {
    return this.#generated > 0;
  }

  get generatedTokens(): number {
    return this.#generated;
  }

  /** Not before it has a slot: samplers hold a list of the whole vocabulary each, and many requests may wait. */
  begin(reusedTokens: number): void {
    const { addon, model } = this.#options;
    this.#sampler = new addon.AddonSampler(model);
    this.#observer = this.request.probabilityCount > 0 ? new addon.AddonSampler(model) : undefined;
    // Greedy choice changes no logits, so its candidates are the model's own probabilities over the whole vocabulary.
    this.#observer?.applyConfig({ temperature: 0, seed: 0, topK: 0, topP: 1, minP: 0 });
    this.#applyConfig();
    this.cachedTokens = reusedTokens;
    this.pending = this.request.prompt.slice(reusedTokens);
    this.#startedMs = performance.now();
    this.request.onStart?.(reusedTokens);
  }

  /** Chooses the token after the batch position; the caller decides whether it is the last one. */
  async sample(context: AddonContext, batchIndex: number): Promise<{ token: number; probabilities: readonly TokenProbability[] }> {
    if (this.#sampler === undefined) throw new Error("a task that has not begun has no token to choose");
    const observed = this.#observer === undefined ? undefined : await context.sampleToken(batchIndex, this.#observer, true);
    const token = await context.sampleToken(batchIndex, this.#sampler);
    if (token === -1) throw new Error("The model gave no token");
    const nowMs = performance.now();
    if (this.#generated === 0) this.#firstTokenMs = nowMs;
    this.#lastTokenMs = nowMs;
    this.#generated++;
    this.#history.push(token);
    return { token, probabilities: pairs(observed?.[1] ?? []) };
  }

  constrain(state: GrammarState): void {
    this.#grammar = state;
    this.#applyConfig();
  }

  counts(): GenerationCounts {
    return {
      promptTokens: this.request.prompt.length,
      cachedTokens: this.cachedTokens,
      generatedTokens: this.#generated,
      promptMs: (this.#generated === 0 ? performance.now() : this.#firstTokenMs) - this.#startedMs,
      generationMs: this.#lastTokenMs - this.#firstTokenMs,
    };
  }

  finish(reason: GenerationResult["reason"]): void {
    this.#release();
    this.#settle.resolve({ reason, counts: this.counts() });
  }

  fail(error: unknown): void {
    this.#release();
    this.#settle.reject(error);
  }

  #release(): void {
    this.#sampler?.dispose();
    this.#observer?.dispose();
  }

  #applyConfig(): void {
    const grammar = this.#grammar === undefined ? {} : { grammarEvaluationState: this.#grammar };
    const { repeatLastTokens } = this.request.sampling;
    const punished = Uint32Array.from(repeatLastTokens > 0 ? this.#history.slice(-repeatLastTokens) : []);
    this.#sampler?.applyConfig({ ...this.#config, ...grammar, repeatPenaltyTokens: punished });
  }
}

function samplerConfig(sampling: SamplingOptions, { endTokens, tokensOfText }: TaskOptions): SamplerConfig {
  const bias = new Map<number, number>();
  const add = (token: number, amount: number): void => void bias.set(token, (bias.get(token) ?? 0) + amount);
  for (const [key, amount] of sampling.logitBias) {
    for (const token of typeof key === "number" ? [key] : tokensOfText(key)) add(token, amount);
  }
  if (sampling.ignoresEnd) for (const token of endTokens()) add(token, -Infinity);
  return {
    temperature: sampling.temperature,
    seed: sampling.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0,
    topK: sampling.topK,
    topP: sampling.topP,
    minP: sampling.minP,
    repeatPenalty: sampling.repeatPenalty,
    repeatPenaltyMaxTokens: sampling.repeatLastTokens,
    repeatPenaltyPresencePenalty: sampling.presencePenalty,
    repeatPenaltyFrequencyPenalty: sampling.frequencyPenalty,
    ...(sampling.xtcProbability > 0 && { xtcProbability: sampling.xtcProbability, xtcThreshold: sampling.xtcThreshold }),
    ...(sampling.dryMultiplier > 0 && {
      dryRepeatPenaltyStrength: sampling.dryMultiplier,
      dryRepeatPenaltyBase: sampling.dryBase,
      dryRepeatPenaltyAllowedLength: sampling.dryAllowedLength,
      dryRepeatPenaltyLastTokens: sampling.dryLastTokens,
      dryRepeatPenaltySequenceBreakers: [...sampling.drySequenceBreakers],
    }),
    ...(bias.size > 0 && { tokenBiasKeys: Uint32Array.from(bias.keys()), tokenBiasValues: Float32Array.from(bias.values()) }),
  };
}

function pairs(flat: readonly number[]): readonly TokenProbability[] {
  const result: TokenProbability[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) result.push({ token: flat[i] ?? 0, probability: flat[i + 1] ?? 0 });
  return result;
}
