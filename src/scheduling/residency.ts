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
  /** Every place is taken by busy models; `drain` names one that shall take no new requests. */
  | { readonly kind: "queue"; readonly busy: readonly string[]; readonly drain: string | undefined };

export interface ResidencyLimits {
  /** How many models of one kind may be resident, loading ones included. */
  readonly maxLoaded: number;
  /** How many models of all kinds together. No limit by default. */
  readonly maxTotal?: number | undefined;
  /** How long a request waits for a busy model before that one takes no new requests, in milliseconds. */
  readonly patienceMs: number;
}

/**
 * Decides what happens to one waiting request, given who is resident: a ready model serves, a loading one is joined, a free place is
 * used, else the least recently used idle model goes (of the same kind, where that limit is reached). A busy or loading model is never
 * evicted.
 */
export function decide(wish: Wish, residents: readonly Resident[], limits: ResidencyLimits): Decision {
  const own = residents.find((resident) => resident.model === wish.model);
  if (own !== undefined) return { kind: own.state === "ready" ? "serve" : "wait" };
  const { maxLoaded, maxTotal = Infinity } = limits;
  const evict: Resident[] = [];
  let isPlaceBeingFreed = false;
  for (const [rivals, limit] of [
    [residents.filter(({ kind }) => kind === wish.kind), maxLoaded] as const,
    [residents, maxTotal] as const,
  ]) {
    const left = rivals.filter((rival) => !evict.includes(rival));
    const excess = left.length + 1 - limit;
    if (excess <= 0) continue;
    // Places that are being freed count as free once they are: until then the load waits for them.
    const stopping = left.filter(({ state }) => state === "stopping").length;
    if (stopping >= excess) {
      isPlaceBeingFreed = true;
      continue;
    }
    const idle = left
      .filter(({ inFlight, state }) => inFlight === 0 && (state === "ready" || state === "draining"))
      .toSorted((a, b) => a.lastUsedMs - b.lastUsedMs);
    if (idle.length < excess - stopping) {
      return { kind: "queue", busy: rivals.map(({ model }) => model), drain: chooseDrain(wish, rivals, limits) };
    }
    evict.push(...idle.slice(0, excess - stopping));
  }
  return isPlaceBeingFreed ? { kind: "wait" } : { kind: "load", evict: evict.map(({ model }) => model) };
}

/** So that a model under constant load cannot keep another one out for ever: the least busy one is drained for a request that waits long. */
function chooseDrain(wish: Wish, rivals: readonly Resident[], { patienceMs }: ResidencyLimits): string | undefined {
  if (wish.waitedMs < patienceMs || rivals.some(({ state }) => state === "draining")) return undefined;
  return rivals.filter(({ state }) => state === "ready").toSorted((a, b) => a.inFlight - b.inFlight || a.lastUsedMs - b.lastUsedMs)[0]
    ?.model;
}
