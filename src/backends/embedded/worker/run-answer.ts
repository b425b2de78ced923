import { invalidRequest } from "./api-error.ts";
import type { Addon, AddonModel, GrammarState } from "./addon.ts";
import type { AnswerReader } from "./answer-reader.ts";
import { AnswerText } from "./answer-text.ts";
import type { AnswerGrammar } from "./answer-form.ts";
import type { GeneratedToken, GenerationControl, GenerationCounts } from "./generation.ts";
import type { GenerationOptions, SamplingOptions } from "./generation-options.ts";
import type { OutputDelta } from "./output-delta.ts";
import type { FinishReason, TokenLogprob } from "./replies.ts";
import type { TextEngine } from "./text-engine.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** The loaded model and what computes with it. */
export interface AnswerMachine {
  readonly addon: Addon;
  readonly model: AddonModel;
  readonly vocabulary: Vocabulary;
  readonly engine: TextEngine;
  readonly log: (text: string) => void;
}

export interface AnswerTask {
  readonly prompt: readonly number[];
  readonly options: GenerationOptions;
  readonly sampling: SamplingOptions;
  readonly grammar: AnswerGrammar | undefined;
  readonly newReader: () => AnswerReader;
  readonly shownTokens: ReadonlySet<number>;
  readonly signal: AbortSignal;
  readonly onStart?: (() => void) | undefined;
  readonly onProgress?: ((processedTokens: number, cachedTokens: number) => void) | undefined;
  /** Called for each token that brings something; the deltas are in order. */
  readonly onPiece: (piece: AnswerPiece) => void;
}

export interface AnswerPiece {
  readonly deltas: readonly OutputDelta[];
  readonly logprobs: readonly TokenLogprob[];
  readonly counts: () => GenerationCounts;
}

export interface AnswerEnd {
  readonly finishReason: FinishReason;
  readonly counts: GenerationCounts;
}

/** Generates one answer and reads it while it is written. */
export async function runAnswer(machine: AnswerMachine, task: AnswerTask): Promise<AnswerEnd> {
  const { vocabulary, engine } = machine;
  const { options, onPiece } = task;
  const text = new AnswerText({ vocabulary, stops: options.stops, shownTokens: task.shownTokens });
  const reader = task.newReader();
  const grammar = task.grammar === undefined ? undefined : new PendingGrammar(machine, task.grammar);
  let cachedTokens = 0;
  let held: TokenLogprob[] = [];
  const give = (deltas: readonly OutputDelta[], counts: () => GenerationCounts): void => {
    if (deltas.length === 0) return;
    onPiece({ deltas, logprobs: held, counts });
    held = [];
  };
  const onToken = (generated: GeneratedToken, control: GenerationControl, counts: () => GenerationCounts): "continue" | "stop" => {
    if (generated.isEnd) return "stop";
    if (options.probabilityCount > 0) held.push(logprobOf(vocabulary, generated));
    const { text: piece, stoppedBy } = text.push(generated.token);
    const deltas = reader.push(piece);
    grammar?.follow(reader, text, control);
    give(deltas, counts);
    return stoppedBy === undefined ? "continue" : "stop";
  };
  const { reason, counts } = await engine.generate({
    prompt: task.prompt,
    sampling: task.sampling,
    maxTokens: options.maxTokens,
    probabilityCount: options.probabilityCount,
    reusesCache: options.reusesCache,
    grammar: grammar?.initial,
    signal: task.signal,
    onStart: (cached) => {
      cachedTokens = cached;
      task.onStart?.();
      task.onProgress?.(cached, cached);
    },
    onProgress: (processed) => task.onProgress?.(processed, cachedTokens),
    onToken,
  });
  give([...reader.push(text.end()), ...reader.end()], () => counts);
  return { finishReason: reason === "length" ? "length" : reader.toolCallCount > 0 ? "tool_calls" : "stop", counts };
}

/** A grammar that may begin in the middle of an answer: it is then told what has been written since that point. */
class PendingGrammar {
  readonly #machine: AnswerMachine;
  readonly #from: AnswerGrammar["from"];
  readonly #state: GrammarState;
  #isActive: boolean;

  constructor(machine: AnswerMachine, { gbnf, from }: AnswerGrammar) {
    this.#machine = machine;
    this.#from = from;
    this.#isActive = from === "start";
    this.#state = grammarState(machine, gbnf);
  }

  get initial(): GrammarState | undefined {
    return this.#isActive ? this.#state : undefined;
  }

  follow(reader: AnswerReader, text: AnswerText, control: GenerationControl): void {
    const offset = this.#isActive ? undefined : this.#from === "call" ? reader.callsAt : reader.answerAt;
    if (offset === undefined) return;
    this.#isActive = true;
    try {
      for (const token of text.tokensFrom(offset)) this.#machine.addon.AddonSampler.acceptGrammarEvaluationStateToken(this.#state, token);
    } catch {
      // The model has gone another way already; the reader makes of it what it can.
      this.#machine.log("the answer has left its grammar before it began");
      return;
    }
    control.constrain(this.#state);
  }
}

function grammarState({ addon, model }: AnswerMachine, gbnf: string): GrammarState {
  try {
    return new addon.AddonGrammarEvaluationState(model, new addon.AddonGrammar(gbnf, { addonExports: addon, rootRuleName: "root" }));
  } catch {
    throw invalidRequest("Failed to initialize samplers: failed to parse grammar");
  }
}

/** The least number that a float holds, in place of the logarithm of nothing. */
const LEAST_LOGPROB = -3.4028234663852886e38;

function logprobOf(vocabulary: Vocabulary, generated: GeneratedToken): TokenLogprob {
  const describe = (token: number, probability: number | undefined): TokenLogprob => {
    const bytes = vocabulary.bytes(token);
    const logprob = probability === undefined || probability <= 0 ? LEAST_LOGPROB : Math.log(probability);
    return { id: token, token: new TextDecoder().decode(bytes), bytes: Array.from(bytes), logprob };
  };
  return {
    ...describe(generated.token, generated.probability),
    top_logprobs: generated.alternatives.map(({ token, probability }) => describe(token, probability)),
  };
}
