import { ApiError } from "./api-error.ts";
import type { AddonContext } from "./addon.ts";

/** Computes one vector per input, one input after the other: each is one step of the whole context. */
export class EmbeddingEngine {
  readonly #context: AddonContext;
  readonly #contextTokens: number;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(context: AddonContext, contextTokens: number) {
    this.#context = context;
    this.#contextTokens = contextTokens;
  }

  get isProcessing(): boolean {
    return this.#waiting > 0;
  }

  /** The pooled vector as the model gives it, or the one score of a reranker. Rejects with the signal's reason after an abort. */
  async embed(tokens: readonly number[], signal: AbortSignal): Promise<Float64Array> {
    if (tokens.length === 0) throw new ApiError("invalid_request_error", "Input content cannot be empty");
    if (tokens.length > this.#contextTokens) {
      const size = this.#contextTokens;
      const message = `input (${tokens.length} tokens) is too large to process. increase the physical batch size (current batch size: ${size})`;
      throw new ApiError("server_error", message);
    }
    this.#waiting++;
    const turn = this.#last.then(() => {
      signal.throwIfAborted();
      return this.#compute(tokens);
    });
    this.#last = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.#waiting--;
    }
  }

  /** Resolves when nothing is being computed any more. */
  async close(): Promise<void> {
    await this.#last;
  }

  async #compute(tokens: readonly number[]): Promise<Float64Array> {
    this.#context.disposeSequence(0);
    this.#context.initBatch(tokens.length);
    // Pooling needs every token's state, and llama.cpp warns when they are not all asked for.
    this.#context.addToBatch(0, 0, Uint32Array.from(tokens), Uint32Array.from(tokens.keys()));
    await this.#context.decodeBatch();
    return this.#context.getEmbedding(tokens.length);
  }
}
