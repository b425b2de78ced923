import type { ModelKind } from "../model/index.ts";

/** One running or starting engine, as far as decisions need it. */
export interface Resident {
  readonly model: string;
  readonly kind: ModelKind;
  readonly state: "loading" | "ready" | "draining" | "stopping";
  /** Requests that hold a lease now. */
  readonly inFlight: number;
  readonly lastUsedMs: number;
}

/** A request that waits for its model, in order of arrival. */
export interface Wish {
  readonly model: string;
  readonly kind: ModelKind;
  /** How long it has waited, in milliseconds. */
  readonly waitedMs: number;
}

export type Decision =
  | { readonly kind: "serve" }
  /** The model is being loaded, or its old engine is still going: the next event decides. */
  | { readonly kind: "wait" }
  | { readonly kind: "load"; readonly evict: readonly string[] }
  /** Every place of this kind is taken by busy models; `drain` names one that shall take no new requests. */
  | { readonly kind: "queue"; readonly busy: readonly string[]; readonly drain: string | undefined };

export interface ResidencyLimits {
  /** How many models of one kind may be resident, loading ones included. */
  readonly maxLoaded: number;
  /** How long a request waits for a busy model before that one takes no new requests, in milliseconds. */
  readonly patienceMs: number;
}

/**
 * Decides what happens to one waiting request, given who is resident: a ready model serves, a loading one is joined, a free place is
 * used, else the least recently used idle model of the same kind goes. A busy or loading model is never evicted.
 */
export function decide(wish: Wish, residents: readonly Resident[], limits: ResidencyLimits): Decision {
  const own = residents.find((resident) => resident.model === wish.model);
  if (own !== undefined) return { kind: own.state === "ready" ? "serve" : "wait" };
  const rivals = residents.filter((resident) => resident.kind === wish.kind);
  const excess = rivals.length + 1 - limits.maxLoaded;
  if (excess <= 0) return { kind: "load", evict: [] };
  // Places that are being freed count as free once they are: until then the load waits for them.
  const stopping = rivals.filter((resident) => resident.state === "stopping").length;
  if (stopping >= excess) return { kind: "wait" };
  const idle = rivals
    .filter((resident) => resident.inFlight === 0 && (resident.state === "ready" || resident.state === "draining"))
    .toSorted((a, b) => a.lastUsedMs - b.lastUsedMs);
  if (idle.length >= excess - stopping) return { kind: "load", evict: idle.slice(0, excess - stopping).map(({ model }) => model) };
  return { kind: "queue", busy: rivals.map(({ model }) => model), drain: chooseDrain(wish, rivals, limits) };
}

/** So that a model under constant load cannot keep another one out for ever: the least busy one is drained for a request that waits long. */
function chooseDrain(wish: Wish, rivals: readonly Resident[], { patienceMs }: ResidencyLimits): string | undefined {
  if (wish.waitedMs < patienceMs || rivals.some(({ state }) => state === "draining")) return undefined;
  return rivals.filter(({ state }) => state === "ready").toSorted((a, b) => a.inFlight - b.inFlight || a.lastUsedMs - b.lastUsedMs)[0]
    ?.model;
}
