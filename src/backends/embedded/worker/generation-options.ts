import { invalidRequest } from "./api-error.ts";
import { booleanField, field, isObject, numberField, objectField, type RequestBody } from "./request-fields.ts";

export interface SamplingOptions {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly xtcProbability: number;
  readonly xtcThreshold: number;
  readonly repeatLastTokens: number;
  readonly repeatPenalty: number;
  readonly presencePenalty: number;
  readonly frequencyPenalty: number;
  readonly dryMultiplier: number;
  readonly dryBase: number;
  readonly dryAllowedLength: number;
  readonly dryLastTokens: number;
  readonly drySequenceBreakers: readonly string[];
  /** Absent for a new one each time. */
  readonly seed: number | undefined;
  /** Added to the logits: by token, or by text, which stands for each of its tokens. `-Infinity` bans. */
  readonly logitBias: readonly (readonly [tokenOrText: number | string, bias: number])[];
  readonly ignoresEnd: boolean;
}

export interface GenerationOptions {
  readonly sampling: SamplingOptions;
  /** Most tokens to write; `undefined` until the context is full. */
  readonly maxTokens: number | undefined;
  readonly stops: readonly string[];
  readonly choiceCount: number;
  /** How many alternatives to report for each token; 0 for no probabilities. */
  readonly probabilityCount: number;
  readonly reusesCache: boolean;
  readonly isStream: boolean;
  readonly includesUsage: boolean;
  readonly reportsProgress: boolean;
  readonly timesEachToken: boolean;
  /** A silent stream is kept alive with a comment this often; `undefined` never. */
  readonly pingIntervalSeconds: number | undefined;
}

/** llama-server's own defaults; the command line may change some of them. */
export const DEFAULT_SAMPLING: SamplingOptions = {
  temperature: 0.8,
  topK: 40,
  topP: 0.95,
  minP: 0.05,
  xtcProbability: 0,
  xtcThreshold: 0.1,
  repeatLastTokens: 64,
  repeatPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  dryMultiplier: 0,
  dryBase: 1.75,
  dryAllowedLength: 2,
  dryLastTokens: 64,
  drySequenceBreakers: ["\n", ":", '"', "*"],
  seed: undefined,
  logitBias: [],
  ignoresEnd: false,
};

const DEFAULT_PING_SECONDS = 30;
const INT32_MAX = 2 ** 31 - 1;

/** Reads what all completion endpoints share. `slots` is the most choices one request may ask for. */
export function generationOptions(body: RequestBody, context: { defaults: SamplingOptions; slots: number }): GenerationOptions {
  const maxTokens = numberField(body, ["n_predict", "max_completion_tokens", "max_tokens"], { hard: [-1, INT32_MAX] }) ?? -1;
  const pingSeconds = numberField(body, ["sse_ping_interval"], { hard: [-1, INT32_MAX] }) ?? DEFAULT_PING_SECONDS;
  return {
    sampling: samplingOptions(body, context.defaults),
    maxTokens: maxTokens === -1 ? undefined : maxTokens,
    stops: stopStrings(body),
    choiceCount: numberField(body, ["n_cmpl", "n"], { hard: [1, context.slots] }) ?? 1,
    probabilityCount: probabilityCount(body),
    reusesCache: booleanField(body, "cache_prompt") ?? true,
    isStream: booleanField(body, "stream") ?? false,
    includesUsage: booleanField(objectField(body, "stream_options") ?? {}, "include_usage") ?? false,
    reportsProgress: booleanField(body, "return_progress") ?? false,
    timesEachToken: booleanField(body, "timings_per_token") ?? false,
    pingIntervalSeconds: pingSeconds > 0 ? pingSeconds : undefined,
  };
}

function samplingOptions(body: RequestBody, defaults: SamplingOptions): SamplingOptions {
  const unit = { soft: [0, 1] as const };
  const count = { hard: [0, INT32_MAX] as const };
  const dryBase = numberField(body, ["dry_base"]) ?? defaults.dryBase;
  return {
    temperature: numberField(body, ["temperature"], { soft: [0, Infinity] }) ?? defaults.temperature,
    topK: numberField(body, ["top_k"], { soft: [0, INT32_MAX] }) ?? defaults.topK,
    topP: numberField(body, ["top_p"], unit) ?? defaults.topP,
    minP: numberField(body, ["min_p"], unit) ?? defaults.minP,
    xtcProbability: numberField(body, ["xtc_probability"], unit) ?? defaults.xtcProbability,
    xtcThreshold: numberField(body, ["xtc_threshold"], unit) ?? defaults.xtcThreshold,
    repeatLastTokens: numberField(body, ["repeat_last_n"], count) ?? defaults.repeatLastTokens,
    repeatPenalty: numberField(body, ["repeat_penalty"]) ?? defaults.repeatPenalty,
    presencePenalty: numberField(body, ["presence_penalty"]) ?? defaults.presencePenalty,
    frequencyPenalty: numberField(body, ["frequency_penalty"]) ?? defaults.frequencyPenalty,
    dryMultiplier: numberField(body, ["dry_multiplier"]) ?? defaults.dryMultiplier,
    dryBase: dryBase < 1 ? defaults.dryBase : dryBase,
    dryAllowedLength: numberField(body, ["dry_allowed_length"], count) ?? defaults.dryAllowedLength,
    dryLastTokens: numberField(body, ["dry_penalty_last_n"], count) ?? defaults.dryLastTokens,
    drySequenceBreakers: textList(body, "dry_sequence_breakers") ?? defaults.drySequenceBreakers,
    seed: seedOf(numberField(body, ["seed"])) ?? defaults.seed,
    logitBias: logitBias(body["logit_bias"]),
    ignoresEnd: booleanField(body, "ignore_eos") ?? defaults.ignoresEnd,
  };
}

/** -1 and its unsigned twin mean a random one. */
function seedOf(value: number | undefined): number | undefined {
  if (value === undefined || value < 0 || value === 0xffff_ffff) return undefined;
  return Math.trunc(value) % 2 ** 32;
}

function stopStrings(body: RequestBody): readonly string[] {
  const { stop } = body;
  if (typeof stop === "string") return [stop];
  return textList(body, "stop") ?? [];
}

function textList(body: RequestBody, name: string): readonly string[] | undefined {
  const found = field(body, name);
  if (found === undefined) return undefined;
  if (!Array.isArray(found.value)) throw invalidRequest(`Field '${name}': type must be array, but is ${typeof found.value}`);
  return found.value.filter((value) => typeof value === "string");
}

/** Chat asks with `logprobs: true` and `top_logprobs`, text completions with a number. */
function probabilityCount(body: RequestBody): number {
  const wanted = body["logprobs"];
  if (wanted === true) return numberField(body, ["top_logprobs"], { hard: [0, INT32_MAX] }) ?? 20;
  if (field(body, "top_logprobs") !== undefined) throw invalidRequest("top_logprobs requires logprobs to be set to true");
  return numberField(body, ["n_probs", ...(typeof wanted === "number" ? ["logprobs"] : [])], { hard: [0, INT32_MAX] }) ?? 0;
}

function logitBias(value: unknown): SamplingOptions["logitBias"] {
  const pairs = Array.isArray(value) ? value : isObject(value) ? Object.entries(value) : [];
  return pairs.flatMap((pair: unknown) => {
    if (!Array.isArray(pair) || pair.length !== 2) return [];
    const [key, bias] = pair as [unknown, unknown];
    const amount = bias === false ? -Infinity : bias;
    if (typeof amount !== "number") return [];
    if (typeof key === "number") return [[key, amount] as const];
    // The keys of an object are text, also when they are meant as tokens.
    if (typeof key === "string") return [[/^\d+$/.test(key) ? Number(key) : key, amount] as const];
    return [];
  });
}
