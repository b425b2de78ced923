import { RouterError, type ErrorCode, type RouterErrorOptions } from "../errors.ts";
import type { Clock } from "./clock.ts";

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 8000;
/** A hub that asks for more patience than this is not worth waiting for in one request. */
const MAX_RETRY_AFTER_MS = 5 * 60_000;
/** Downloads try this often without a single new byte in between. */
const MAX_ATTEMPTS = 6;

/** An answer or a broken connection that may go better next time. */
export class TransientError extends RouterError {
  override readonly name = "TransientError";
  /** What the server asked us to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    { retryAfterMs, ...options }: RouterErrorOptions & { retryAfterMs?: number | undefined } = {},
  ) {
    super(code, message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/** How long to wait before attempt `attempt` (the second is 1): doubling, half of it by chance, or what the server asked for. */
export function retryDelayMs(attempt: number, retryAfterMs: number | undefined, random: number): number {
  const backOffMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
  // Clients that were cut together must not come back together, so chance is added on top of what the server asked for too.
  return retryAfterMs === undefined ? backOffMs * (0.5 + random / 2) : Math.min(retryAfterMs, MAX_RETRY_AFTER_MS) + random * FIRST_DELAY_MS;
}

/** Reads `Retry-After`: seconds or a date. */
export function retryAfterMsOf(headers: Headers, nowMs: number): number | undefined {
  const text = headers.get("retry-after")?.trim();
  if (!text) return undefined;
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isNaN(waitMs) ? undefined : Math.max(0, waitMs);
}

/** Reads the time until the window resets from the hub's `RateLimit` header, which every answer carries: it matters after a 429 only. */
export function rateLimitResetMsOf(headers: Headers): number | undefined {
  const seconds = /;\s*t=(\d+)/.exec(headers.get("ratelimit") ?? "")?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}

export interface RetryOptions {
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  readonly maxAttempts?: number | undefined;
  /** Asked after each failure; true starts the count anew. */
  readonly hasProgressed?: (() => boolean) | undefined;
}

/** Runs `attempt` until it succeeds, fails for good, or has failed too often in a row without `hasProgressed` saying otherwise. */
export async function retrying<T>(
  attempt: () => Promise<T>,
  { clock, signal, maxAttempts = MAX_ATTEMPTS, hasProgressed }: RetryOptions,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      if (hasProgressed?.()) failures = 1;
      if (!(error instanceof TransientError) || failures >= maxAttempts) throw error;
      await clock.sleep(retryDelayMs(failures, error.retryAfterMs, clock.random()), signal);
    }
  }
}
