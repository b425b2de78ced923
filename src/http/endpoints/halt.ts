import * as v from "valibot";
import { RouterError } from "../../errors.ts";
import type { Router } from "../../router/index.ts";
import { endpoint, type Call, type Endpoint, type EndpointSpec } from "../endpoint.ts";
import type { Generation, Generations } from "../generations.ts";
import { json } from "../json.ts";
import { below, givenName, ModelName, named } from "../schemas.ts";
import { authorize, callerOf } from "../security/index.ts";

const Halted = v.looseObject({
  terminated: v.literal(true),
  /** Generations that were running or waiting, and are no more. */
  halted: v.number(),
});

const query = v.looseObject({ model: v.optional(ModelName) });

/**
 * `halt` ends generations, never the server: the caller's own ones, or all of one model. Lemonade's page sends a bare GET on every press of
 * Stop, right after it has left its own answer, which ends that: another tab's, of the same program at the same address, goes on.
 */
export function haltEndpoints(router: Router, generations: Generations): Endpoint[] {
  const halt = async (call: Call<unknown, unknown>, model: string | undefined) => {
    const { request } = call;
    refuseForeignFrame(request);
    // To look is not to do, and a request that names nothing means no answer of somebody else.
    if (request.method === "HEAD" || (request.method === "GET" && model === undefined)) return json({ terminated: true, halted: 0 });
    return json({ terminated: true, halted: generations.halt(await chosen(call, model), halted()) });
  };
  const chosen = async (call: Call<unknown, unknown>, model: string | undefined): Promise<(generation: Generation) => boolean> => {
    if (model === undefined) {
      const own = callerOf(call);
      return ({ caller }) => caller() === own;
    }
    authorize(call.identity, "manage");
    const { id } = await router.resolve(model);
    return (generation) => generation.model === id || generation.model === model;
  };
  const facts = {
    paths: below("halt"),
    scope: "infer",
    tag: "Inference",
    answers: { 200: { description: "They are ended: their streams finish with an error event", schema: Halted } },
  } as const satisfies Partial<EndpointSpec<undefined, undefined>>;
  return [
    endpoint({
      ...facts,
      method: "GET",
      summary: "With `model` (and the scope manage) end all running generations of that model; without one, nothing",
      query,
      handle: async (call) => await halt(call, call.query.model),
    }),
    endpoint({
      ...facts,
      method: "POST",
      summary: "End one's own running generations, or with `model` (the scope manage too) all of that model",
      query,
      body: v.looseObject(named),
      handle: async (call) => await halt(call, givenName(call.body) ?? call.query.model),
    }),
  ];
}

/** A GET that changes something: a frame or a link of another site carries no origin, but may not do it either. */
function refuseForeignFrame({ headers }: Request): void {
  if (headers.get("sec-fetch-site") !== "cross-site" || headers.has("origin")) return;
  throw new RouterError("ORIGIN_NOT_ALLOWED", "Pages of another site may not halt generations");
}

function halted(): RouterError {
  return new RouterError("GENERATION_HALTED", "The generation was halted");
}
