/** One answered request; durations in milliseconds. */
export interface RequestRecord {
  readonly model: string;
  /** What the engine holds of one conversation, in tokens. */
  readonly contextTokens: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** From the request's arrival at the engine to its first token. */
  readonly timeToFirstTokenMs: number | undefined;
  readonly tokensPerSecond: number | undefined;
  readonly draftTokens: number | undefined;
  readonly draftTokensAccepted: number | undefined;
}

/** Sums over the requests of one model since the server started. */
export interface ModelTotals {
  readonly requests: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly last: RequestRecord;
}

/** Remembers the last request and sums per model. Bounded: a model's sums are few numbers, and forgotten models stay few. */
export class RequestStats {
  readonly #models = new Map<string, ModelTotals>();
  readonly #onRecord: (request: RequestRecord) => void;
  #last: RequestRecord | undefined;

  constructor({ onRecord = () => {} }: { onRecord?: (request: RequestRecord) => void } = {}) {
    this.#onRecord = onRecord;
  }

  get last(): RequestRecord | undefined {
    return this.#last;
  }

  record(request: RequestRecord): void {
    this.#last = request;
    this.#onRecord(request);
    const before = this.#models.get(request.model);
    this.#models.set(request.model, {
      requests: (before?.requests ?? 0) + 1,
      promptTokens: (before?.promptTokens ?? 0) + request.promptTokens,
      cachedTokens: (before?.cachedTokens ?? 0) + request.cachedTokens,
      completionTokens: (before?.completionTokens ?? 0) + request.completionTokens,
      last: request,
    });
  }

  ofModel(model: string): ModelTotals | undefined {
    return this.#models.get(model);
  }

  models(): ReadonlyMap<string, ModelTotals> {
    return this.#models;
  }
}

/** One request as a line of the log: `21 prompt tokens (6 cached), 18 generated, first after 12 ms, 240.5 per second`. */
export function describeRequest(request: RequestRecord): string {
  const { promptTokens, cachedTokens, completionTokens, timeToFirstTokenMs, tokensPerSecond, draftTokens, draftTokensAccepted } = request;
  const parts = [`${promptTokens} prompt tokens (${cachedTokens} cached)`, `${completionTokens} generated`];
  parts.push(`${promptTokens + completionTokens} of ${request.contextTokens} in the context`);
  if (timeToFirstTokenMs !== undefined) parts.push(`first after ${Math.round(timeToFirstTokenMs)} ms`);
  if (tokensPerSecond !== undefined) parts.push(`${tokensPerSecond.toFixed(1)} per second`);
  if (draftTokens) parts.push(`${draftTokensAccepted ?? 0} of ${draftTokens} drafted accepted`);
  return parts.join(", ");
}
