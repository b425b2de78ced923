import { setTimeout as sleep } from "node:timers/promises";
import type { AnswerTimings } from "../dialects/index.ts";

/** Figures that wait for their counterpart; an engine works on few requests at a time. */
const MAX_WAITING = 64;
/** How long the output of an engine may come after its answer, in milliseconds. */
const PRINTED_WITHIN_MS = 250;
/** The engine prints milliseconds with two decimals. */
const PRINTED_PRECISION_MS = 0.0051;

/**
 * An engine tells what an answer cost twice: in the answer and in its output. The answer's own figures are the better ones, but some
 * dialects and older builds have none there, and an answer that nobody reads to its end takes them along. So the printed ones serve the
 * answers that had none, and each answer counts once.
 */
export class AnswerFigures {
  readonly #printed: AnswerTimings[] = [];
  readonly #told: AnswerTimings[] = [];

  /** An answer carried these figures. */
  told(timings: AnswerTimings): void {
    if (timings.promptMs !== undefined && !takeMatch(this.#printed, timings)) remember(this.#told, timings);
  }

  /** The output of the engine did. */
  printed(timings: AnswerTimings): void {
    if (!takeMatch(this.#told, timings)) remember(this.#printed, timings);
  }

  /** The printed figures of an answer that carried none; undefined when none come, as for one that was broken off. */
  async ofSilentAnswer({ withinMs = PRINTED_WITHIN_MS }: { withinMs?: number } = {}): Promise<AnswerTimings | undefined> {
    // Waits in any case: answers that end at the same time take their own away meanwhile.
    await sleep(withinMs, undefined, { ref: false });
    return this.#printed.shift();
  }
}

function remember(list: AnswerTimings[], timings: AnswerTimings): void {
  list.push(timings);
  if (list.length > MAX_WAITING) list.shift();
}

function takeMatch(list: AnswerTimings[], timings: AnswerTimings): boolean {
  const at = list.findIndex((other) => isSame(other, timings));
  if (at !== -1) list.splice(at, 1);
  return at !== -1;
}

function isSame(a: AnswerTimings, b: AnswerTimings): boolean {
  return (
    a.completionTokens === b.completionTokens &&
    a.promptTokens - a.cachedTokens === b.promptTokens - b.cachedTokens &&
    Math.abs((a.promptMs ?? 0) - (b.promptMs ?? 0)) <= PRINTED_PRECISION_MS
  );
}
