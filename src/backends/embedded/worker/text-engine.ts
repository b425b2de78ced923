import { ApiError, promptTooLong } from "./api-error.ts";
import type { Addon, AddonContext, AddonModel } from "./addon.ts";
import type { GenerationRequest, GenerationResult } from "./generation.ts";
import { commonPrefixLength, reusableTokens } from "./prefix-reuse.ts";
import { Task, type Slot } from "./slot.ts";
import type { Vocabulary } from "./vocabulary.ts";

export interface TextEngineOptions {
  readonly addon: Addon;
  readonly model: AddonModel;
  readonly context: AddonContext;
  readonly vocabulary: Vocabulary;
  readonly slots: number;
  /** Context of each slot, in tokens. */
  readonly contextTokens: number;
  /** The most tokens of one step. */
  readonly batchTokens: number;
  /** How many tokens back the model sees, when it does not see all. */
  readonly windowTokens: number | undefined;
  /** Size of the vocabulary. */
  readonly tokenCount: number;
}

/** A prompt is computed in steps of about this length, so that a client that hangs up and other slots wait no longer for their turn. */
const STEP_MS = 100;
/** Smaller steps make a CPU compute the prompt noticeably slower. */
const LEAST_STEP_TOKENS = 64;

/** The part of a prompt that must be cached in a slot for the slot to be preferred to the one unused longest. */
const LEAST_OVERLAP = 0.1;

/**
 * Computes requests in parallel on the slots of one context, in one loop that owns all state: every step computes the next token of
 * each slot that writes and a piece of the prompts of the others. Further requests wait in the order in which they came.
 */
export class TextEngine {
  readonly #options: TextEngineOptions;
  readonly #slots: Slot[];
  readonly #queue: Task[] = [];
  #isRunning = false;
  #isClosed = false;
  #steps = 0;
  #msPerPromptToken = 0;
  #endTokens: readonly number[] | undefined;
  #idle = Promise.resolve();

  constructor(options: TextEngineOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.slots }, (_slot, id) => ({ id, tokens: [], lastUsed: 0, task: undefined }));
  }

  get slots(): readonly Readonly<Slot>[] {
    return this.#slots;
  }

  /** Rejects with the signal's reason after an abort, and with an {@link ApiError} when the prompt does not fit. */
  async generate(request: GenerationRequest): Promise<GenerationResult> {
    const { prompt, signal } = request;
    signal.throwIfAborted();
    if (this.#isClosed) throw new ApiError("unavailable_error", "The engine is shutting down");
    if (prompt.length === 0) return NOTHING_TO_DO;
    if (prompt.length >= this.#options.contextTokens) throw promptTooLong(prompt.length, this.#options.contextTokens);
    const { addon, model, vocabulary } = this.#options;
    const task = new Task({
      addon,
      model,
      request,
      endTokens: () => this.#allEndTokens(),
      tokensOfText: (text) => vocabulary.tokenize(text, { addSpecial: false }),
    });
    this.#queue.push(task);
    const onAbort = (): void => this.#leaveQueue(task);
    signal.addEventListener("abort", onAbort, { once: true });
    this.#wake();
    try {
      return await task.done;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Fails what is in work and what waits, and resolves when nothing is being computed any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const task of this.#queue.splice(0)) task.fail(new ApiError("unavailable_error", "The engine is shutting down"));
    await this.#idle;
  }

  #leaveQueue(task: Task): void {
    const at = this.#queue.indexOf(task);
    if (at === -1) return; // In work: the loop sees the abort after its step.
    this.#queue.splice(at, 1);
    task.fail(task.request.signal.reason);
  }

  #wake(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#idle = this.#run();
  }

  async #run(): Promise<void> {
    while (true) {
      this.#releaseAborted();
      this.#assign();
      if (this.#slots.every((slot) => slot.task === undefined)) break;
      const plan = this.#plan();
      try {
        await this.#step(plan);
      } catch (error) {
        // The state of the sequences is unknown after a failed step.
        for (const { slot } of plan) this.#fail(slot, error);
      }
    }
    this.#isRunning = false;
  }

  #releaseAborted(): void {
    for (const slot of this.#slots) {
      if (slot.task?.request.signal.aborted === true) this.#end(slot, (task) => task.fail(task.request.signal.reason));
      else if (this.#isClosed && slot.task !== undefined) {
        this.#end(slot, (task) => task.fail(new ApiError("unavailable_error", "The engine is shutting down")));
      }
    }
  }

  #assign(): void {
    while (this.#queue.length > 0) {
      const free = this.#slots.filter((slot) => slot.task === undefined);
      const task = this.#queue[0];
      if (task === undefined || free.length === 0) return;
      this.#queue.shift();
      const [best] = free.toSorted((a, b) => this.#overlap(b, task) - this.#overlap(a, task) || a.lastUsed - b.lastUsed);
      if (best === undefined) return;
      try {
        this.#begin(best, task);
      } catch (error) {
        best.task = task;
        this.#fail(best, error);
      }
    }
  }

  /** How many tokens a slot saves; a few are not worth the loss of what else it has cached. */
  #overlap(slot: Slot, { request }: Task): number {
    const overlap = request.reusesCache ? commonPrefixLength(slot.tokens, request.prompt) : 0;
    return overlap > LEAST_OVERLAP * request.prompt.length ? overlap : 0;
  }

  #begin(slot: Slot, task: Task): void {
    const { context, windowTokens } = this.#options;
    const firstPosition = slot.tokens.length === 0 ? 0 : context.getSequenceKvCacheMinPosition(slot.id);
    const wanted = task.request.reusesCache ? reusableTokens({ tokens: slot.tokens, firstPosition }, task.request.prompt, windowTokens) : 0;
    slot.tokens = slot.tokens.slice(0, this.#keep(slot, wanted));
    slot.task = task;
    task.begin(slot.tokens.length);
  }

  /** Forgets what comes after the first `tokens` tokens; everything, where the model cannot forget a part. */
  #keep(slot: Slot, tokens: number): number {
    if (tokens > 0 && tokens === slot.tokens.length) return tokens;
    const { context } = this.#options;
    if (tokens > 0 && context.removeTokenCellsFromSequence(slot.id, tokens, -1)) return tokens;
    context.disposeSequence(slot.id);
    return 0;
  }

  #plan(): Part[] {
    const { batchTokens } = this.#options;
    const working = this.#slots.filter((slot) => slot.task !== undefined);
    const writing = working.filter((slot) => slot.task?.isPromptDone === true);
    const plan: Part[] = writing.map((slot) => ({ slot, tokens: slot.task?.pending ?? [], isLast: true }));
    let room = Math.min(batchTokens - plan.length, this.#promptStepTokens());
    for (const slot of working) {
      if (slot.task === undefined || slot.task.isPromptDone || room <= 0) continue;
      const tokens = slot.task.pending.slice(0, room);
      plan.push({ slot, tokens, isLast: tokens.length === slot.task.pending.length });
      room -= tokens.length;
    }
    return plan;
  }

  #promptStepTokens(): number {
    if (this.#msPerPromptToken === 0) return LEAST_STEP_TOKENS;
    return Math.max(LEAST_STEP_TOKENS, Math.floor(STEP_MS / this.#msPerPromptToken));
  }

  async #step(plan: readonly Part[]): Promise<void> {
    const { context } = this.#options;
    const total = plan.reduce((sum, part) => sum + part.tokens.length, 0);
    context.initBatch(total);
    const places = plan.map(({ slot, tokens, isLast }) =>
      context.addToBatch(
        slot.id,
        slot.tokens.length,
        Uint32Array.from(tokens),
        isLast ? Uint32Array.of(tokens.length - 1) : new Uint32Array(0),
      ),
    );
    const startedMs = performance.now();
    await context.decodeBatch();
    this.#learnSpeed(total, plan.length, performance.now() - startedMs);
    this.#steps++;
    for (const { slot, tokens } of plan) {
      slot.tokens.push(...tokens);
      slot.lastUsed = this.#steps;
    }
    await Promise.all(plan.map((part, i) => this.#afterStep(part, places[i]?.[0])));
  }

  #learnSpeed(total: number, parts: number, ms: number): void {
    if (total < LEAST_STEP_TOKENS / 2 || total === parts) return; // One token each: that says nothing about prompts.
    const measured = ms / total;
    this.#msPerPromptToken = this.#msPerPromptToken === 0 ? measured : 0.7 * this.#msPerPromptToken + 0.3 * measured;
  }

  async #afterStep({ slot, tokens, isLast }: Part, place: number | undefined): Promise<void> {
    const { task } = slot;
    if (task === undefined) return;
    task.pending = task.pending.slice(tokens.length);
    try {
      if (!task.isPromptDone) task.request.onProgress?.(slot.tokens.length);
      if (!isLast || place === undefined || task.request.signal.aborted) return;
      const { token, probabilities } = await task.sample(this.#options.context, place);
      this.#accept(slot, task, { token, probabilities });
    } catch (error) {
      this.#fail(slot, error);
    }
  }

  #accept(slot: Slot, task: Task, { token, probabilities }: Awaited<ReturnType<Task["sample"]>>): void {
    const { request } = task;
    if (request.signal.aborted) return;
    const isEnd = this.#options.vocabulary.endsAnswer(token);
    const verdict = request.onToken(
      {
        token,
        isEnd,
        probability: probabilities.find((one) => one.token === token)?.probability,
        alternatives: probabilities.slice(0, request.probabilityCount),
      },
      task,
      () => task.counts(),
    );
    if (isEnd) this.#end(slot, () => task.finish("end"));
    else if (verdict === "stop") this.#end(slot, () => task.finish("stop"));
    else if (request.maxTokens !== undefined && task.generatedTokens >= request.maxTokens) this.#end(slot, () => task.finish("length"));
    else if (slot.tokens.length + 1 >= this.#options.contextTokens) this.#end(slot, () => task.finish("length"));
    else task.pending = [token];
  }

  #end(slot: Slot, settle: (task: Task) => void): void {
    const { task } = slot;
    slot.task = undefined;
    if (task !== undefined) settle(task);
  }

  #fail(slot: Slot, error: unknown): void {
    this.#end(slot, (task) => task.fail(error));
    slot.tokens = [];
    try {
      this.#options.context.disposeSequence(slot.id);
    } catch {
      // Its next request forgets the rest.
    }
  }

  #allEndTokens(): readonly number[] {
    const { tokenCount, vocabulary } = this.#options;
    this.#endTokens ??= Array.from({ length: tokenCount }, (_token, id) => id).filter((id) => vocabulary.endsAnswer(id));
    return this.#endTokens;
  }
}

/** An empty prompt of a model that begins no text with a token of its own. */
const NOTHING_TO_DO: GenerationResult = {
  reason: "length",
  counts: { promptTokens: 0, cachedTokens: 0, generatedTokens: 0, promptMs: 0, generationMs: 0 },
};

/** What one slot computes in a step. */
interface Part {
  readonly slot: Slot;
  readonly tokens: readonly number[];
  /** Whether the next token is to be chosen after these. */
  readonly isLast: boolean;
}
