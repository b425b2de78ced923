import type { AnswerTimings } from "../../dialects/index.ts";

/** What has been read of one answer. */
interface Reading {
  readonly task: string | undefined;
  /** Tokens of the prompt that were computed, those from the cache left out. */
  computedTokens?: number;
  promptMs?: number;
  completionTokens?: number;
  tokensPerSecond?: number;
  draftTokens?: number;
  draftTokensAccepted?: number;
}

interface Release {
  readonly task: string | undefined;
  readonly tokens: number;
  readonly isTruncated: boolean;
}

const PROMPT = /prompt eval time\s*=\s*([\d.]+) ms \/\s*(\d+) tokens/;
// Only after PROMPT: it matches those lines, too.
const EVAL = /eval time\s*=\s*[\d.]+ ms \/\s*(\d+) (?:tokens|runs)\s*\(.*?([\d.]+) tokens per second/;
const DRAFT = /draft acceptance(?: rate)? = .*?(\d+) accepted \/\s*(\d+) generated/;
const RELEASE = /stop processing: n_(?:tokens|past) = (\d+), truncated = (\d)/;
/** Further lines of the same block. */
const OF_BLOCK = /total time =|graphs reused =|statistics/;
const TASK = /\| task\s+(\d+) \|/;

/**
 * Reads what llama-server prints at the end of an answer. Newer builds name slot and task in each line and end with the slot's release;
 * older ones release first, name the task once, and let lines without any prefix follow.
 */
export class TimingLines {
  readonly #onAnswered: (timings: AnswerTimings) => void;
  #reading: Reading | undefined;
  #task: string | undefined;
  #release: Release | undefined;

  constructor(onAnswered: (timings: AnswerTimings) => void) {
    this.#onAnswered = onAnswered;
  }

  read(text: string): void {
    // A cheap look first: a busy engine prints much else.
    if (this.#reading === undefined && !/eval time|stop processing|print_timing/.test(text)) return;
    const task = TASK.exec(text)?.[1];
    if (task !== undefined) {
      if (task !== this.#task) this.#flush();
      this.#task = task;
    }
    if (this.#readFigures(text) || OF_BLOCK.test(text)) return;
    const release = RELEASE.exec(text);
    if (release !== null) this.#release = { task: this.#task, tokens: Number(release[1]), isTruncated: release[2] !== "0" };
    this.#flush();
  }

  #readFigures(text: string): boolean {
    const prompt = PROMPT.exec(text);
    if (prompt !== null) {
      this.#flush();
      this.#reading = { task: this.#task, promptMs: Number(prompt[1]), computedTokens: Number(prompt[2]) };
      return true;
    }
    const reading = this.#reading;
    if (reading === undefined) return false;
    const generation = EVAL.exec(text);
    if (generation !== null) {
      reading.completionTokens = Number(generation[1]);
      reading.tokensPerSecond = Number(generation[2]);
    }
    const draft = DRAFT.exec(text);
    if (draft !== null) {
      reading.draftTokensAccepted = Number(draft[1]);
      reading.draftTokens = Number(draft[2]);
    }
    return generation !== null || draft !== null;
  }

  #flush(): void {
    const reading = this.#reading;
    this.#reading = undefined;
    if (reading?.computedTokens === undefined || reading.completionTokens === undefined) return;
    const { computedTokens, completionTokens, promptMs, tokensPerSecond, draftTokens, draftTokensAccepted } = reading;
    const cachedTokens = cachedTokensOf(this.#release, reading);
    this.#onAnswered({
      promptTokens: computedTokens + cachedTokens,
      cachedTokens,
      completionTokens,
      promptMs,
      tokensPerSecond,
      draftTokens,
      draftTokensAccepted,
    });
  }
}

/** What a slot holds at its end, less what was computed: of the generated tokens the last one is not in the cache. */
function cachedTokensOf(release: Release | undefined, { task, computedTokens = 0, completionTokens = 0 }: Reading): number {
  if (release === undefined || release.task !== task || release.isTruncated) return 0;
  return Math.max(0, release.tokens - computedTokens - Math.max(0, completionTokens - 1));
}
