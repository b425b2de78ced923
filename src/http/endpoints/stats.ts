import * as v from "valibot";
import type { ModelTotals, RequestRecord, Router } from "../../router/index.ts";
import { endpoint, type Endpoint } from "../endpoint.ts";
import { json } from "../json.ts";
import { below } from "../schemas.ts";
import { shownName, type Identity } from "../security/index.ts";

const number = v.nullable(v.number());

/** Lemonade's five fields first; null before the first request. */
const Stats = v.looseObject({
  time_to_first_token: number,
  tokens_per_second: number,
  input_tokens: number,
  output_tokens: number,
  decode_token_times: v.null(),
  cached_tokens: number,
  context_size: number,
  draft_acceptance: number,
  model: v.nullable(v.string()),
  models: v.record(v.string(), v.looseObject({ requests: v.number() })),
});

export function statsEndpoints(router: Router): Endpoint[] {
  return [
    endpoint({
      method: "GET",
      paths: below("stats"),
      scope: "infer",
      tag: "Server",
      summary: "What the last request cost, and sums per model; times in seconds",
      answers: { 200: { description: "The figures", schema: Stats } },
      handle: ({ identity }) => json(renderStats(router, identity)),
    }),
  ];
}

function renderStats({ stats }: Router, identity: Identity): v.InferOutput<typeof Stats> {
  const models = [...stats.models()].map(([model, totals]) => [shownName(model, identity), renderTotals(totals, identity)]);
  return { ...renderRequest(stats.last, identity), decode_token_times: null, models: Object.fromEntries(models) };
}

/** Sums over the requests of one model, and what its last one cost. */
export function renderTotals({ requests, promptTokens, cachedTokens, completionTokens, last }: ModelTotals, identity: Identity) {
  return {
    requests,
    input_tokens: promptTokens,
    cached_tokens: cachedTokens,
    output_tokens: completionTokens,
    last: renderRequest(last, identity),
  };
}

function renderRequest(request: RequestRecord | undefined, identity: Identity) {
  const { timeToFirstTokenMs, draftTokens, draftTokensAccepted } = request ?? {};
  return {
    model: request === undefined ? null : shownName(request.model, identity),
    time_to_first_token: timeToFirstTokenMs === undefined ? null : timeToFirstTokenMs / 1000,
    tokens_per_second: request?.tokensPerSecond ?? null,
    input_tokens: request?.promptTokens ?? null,
    output_tokens: request?.completionTokens ?? null,
    cached_tokens: request?.cachedTokens ?? null,
    context_size: request?.contextTokens ?? null,
    draft_acceptance: draftTokens ? (draftTokensAccepted ?? 0) / draftTokens : null,
  };
}
