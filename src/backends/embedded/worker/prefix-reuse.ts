export interface CachedSequence {
  /** Tokens whose state is in the cache, from the first one on. */
  readonly tokens: readonly number[];
  /** Position of the first token whose state is still there; above 0 when the model forgets old ones (sliding window, recurrent). */
  readonly firstPosition: number;
}

/**
 * How many tokens of the cache serve the new prompt. At least the last token of the prompt is always computed, for its logits. A model
 * with a sliding window has forgotten what lies before the window: going back needs the whole window before the point of return.
 */
export function reusableTokens(cache: CachedSequence, prompt: readonly number[], windowTokens: number | undefined): number {
  const common = Math.min(commonPrefixLength(cache.tokens, prompt), prompt.length - 1);
  if (common === cache.tokens.length || cache.firstPosition <= 0) return Math.max(common, 0);
  if (windowTokens === undefined) return 0;
  return cache.firstPosition <= common - windowTokens ? common : 0;
}

export function commonPrefixLength(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}
