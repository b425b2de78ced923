import type { GrammarState } from "./addon.ts";
import type { SamplingOptions } from "./generation-options.ts";

export interface TokenProbability {
  readonly token: number;
  readonly probability: number;
}

export interface GeneratedToken {
  readonly token: number;
  /** Whether this token ends the answer; it stands for no text then. */
  readonly isEnd: boolean;
  /** The probability of this token and the most probable ones, when the request asks for them. */
  readonly probability: number | undefined;
  readonly alternatives: readonly TokenProbability[];
}

export interface GenerationControl {
  /** Holds the tokens after this one to a grammar. */
  constrain(state: GrammarState): void;
}

export interface GenerationRequest {
  readonly prompt: readonly number[];
  readonly sampling: SamplingOptions;
  readonly maxTokens: number | undefined;
  readonly probabilityCount: number;
  readonly reusesCache: boolean;
  readonly grammar: GrammarState | undefined;
  /** Aborting takes the request out of the queue, or frees its slot after the step that is being computed. */
  readonly signal: AbortSignal;
  /** The request has left the queue. */
  readonly onStart?: ((cachedTokens: number) => void) | undefined;
  /** Tokens of the prompt that are in the cache or computed. */
  readonly onProgress?: ((processedTokens: number) => void) | undefined;
  /** Called between two steps for each token; says whether to go on. */
  readonly onToken: (token: GeneratedToken, control: GenerationControl, counts: () => GenerationCounts) => "continue" | "stop";
}

export interface GenerationCounts {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly generatedTokens: number;
  readonly promptMs: number;
  readonly generationMs: number;
}

export interface GenerationResult {
  /** `end`: the model ended its answer, `stop`: the caller did, `length`: a limit or the end of the context. */
  readonly reason: "end" | "stop" | "length";
  readonly counts: GenerationCounts;
}
