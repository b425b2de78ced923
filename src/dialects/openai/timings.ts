/** What one answer cost, as the engine measured it; durations in milliseconds. */
export interface AnswerTimings {
  /** Tokens of the prompt, those from the cache included. */
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  readonly promptMs: number | undefined;
  readonly tokensPerSecond: number | undefined;
  /** Speculative decoding: tokens proposed and accepted. */
  readonly draftTokens: number | undefined;
  readonly draftTokensAccepted: number | undefined;
}

interface Fields {
  readonly [name: string]: unknown;
}

/**
 * Reads the `timings` of llama-server or else the `usage` of any other engine from an answer: a whole JSON body, or the end of a stream of
 * events, of which the last one counts. Only ASCII is looked at, so the bytes may have been decoded as Latin-1. `undefined` when there is
 * none, as in an error.
 */
export function readTimings(answer: string): AnswerTimings | undefined {
  const timings = lastTimings(answer);
  if (timings !== undefined) return fromTimings(timings);
  if (answer.startsWith("{")) return timingsOf(parse(answer));
  for (const line of answer.split("\n").toReversed()) {
    // A cheap look first: most events carry neither.
    if (!line.startsWith("data: {") || !(line.includes('"timings"') || line.includes('"usage"'))) continue;
    const timings = timingsOf(parse(line.slice("data: ".length)));
    if (timings !== undefined) return timings;
  }
  return undefined;
}

/**
 * The last `timings`, which llama-server writes without blanks and as a flat object: found without parsing the answer before it. Inside
 * of a string, as in an answer that quotes JSON, its quotes would be escaped.
 */
function lastTimings(answer: string): Fields | undefined {
  const at = answer.lastIndexOf(TIMINGS);
  const end = at === -1 ? -1 : answer.indexOf("}", at);
  return end === -1 ? undefined : parse(answer.slice(at + TIMINGS.length - 1, end + 1));
}

const TIMINGS = '"timings":{';

function timingsOf(event: Fields): AnswerTimings | undefined {
  const [timings, usage] = [event["timings"], event["usage"]];
  if (isFields(timings)) return fromTimings(timings);
  return isFields(usage) ? fromUsage(usage) : undefined;
}

/** llama-server's: `prompt_n` counts tokens computed now, `cache_n` those reused (absent before autumn 2025). */
function fromTimings(timings: Fields): AnswerTimings {
  const cachedTokens = numberOf(timings["cache_n"]) ?? 0;
  return {
    promptTokens: (numberOf(timings["prompt_n"]) ?? 0) + cachedTokens,
    cachedTokens,
    completionTokens: numberOf(timings["predicted_n"]) ?? 0,
    promptMs: numberOf(timings["prompt_ms"]),
    tokensPerSecond: numberOf(timings["predicted_per_second"]),
    draftTokens: numberOf(timings["draft_n"]),
    draftTokensAccepted: numberOf(timings["draft_n_accepted"]),
  };
}

/** OpenAI's, with the two fields that FastFlowLM adds: seconds to the first token, and tokens per second. */
function fromUsage(usage: Fields): AnswerTimings {
  const details = usage["prompt_tokens_details"];
  const firstTokenSeconds = numberOf(usage["prefill_duration_ttft"]);
  return {
    promptTokens: numberOf(usage["prompt_tokens"]) ?? 0,
    cachedTokens: (isFields(details) ? numberOf(details["cached_tokens"]) : undefined) ?? 0,
    completionTokens: numberOf(usage["completion_tokens"]) ?? 0,
    promptMs: firstTokenSeconds === undefined ? undefined : firstTokenSeconds * 1000,
    tokensPerSecond: numberOf(usage["decoding_speed_tps"]),
    draftTokens: undefined,
    draftTokensAccepted: undefined,
  };
}

function parse(json: string): Fields {
  try {
    const value: unknown = JSON.parse(json);
    return isFields(value) ? value : {};
  } catch {
    return {}; // Cut off: the stream broke in the middle.
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}
