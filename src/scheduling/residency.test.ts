import { describe, expect, test } from "bun:test";
import { decide, type Resident } from "./residency.ts";

const limits = { maxLoaded: 1, patienceMs: 5000 };
const resident = (model: string, changes: Partial<Resident> = {}): Resident => ({
  model,
  kind: "text",
  state: "ready",
  inFlight: 0,
  lastUsedMs: 0,
  ...changes,
});
const wish = (model: string, changes: { kind?: "text" | "embedding"; waitedMs?: number } = {}) =>
  ({ model, kind: "text", waitedMs: 0, ...changes }) as const;

describe("deciding about a waiting request", () => {
  test("a ready model serves, however busy it is", () => {
    expect(decide(wish("a"), [resident("a", { inFlight: 9 })], limits)).toEqual({ kind: "serve" });
  });

  test("a loading model is joined, not loaded twice", () => {
    expect(decide(wish("a"), [resident("a", { state: "loading" })], limits)).toEqual({ kind: "wait" });
  });

  test("a model whose engine is stopping is waited for before it is loaded again", () => {
    expect(decide(wish("a"), [resident("a", { state: "stopping" })], limits)).toEqual({ kind: "wait" });
  });

  test("a free place is used without evicting", () => {
    expect(decide(wish("b"), [resident("a")], { ...limits, maxLoaded: 2 })).toEqual({ kind: "load", evict: [] });
  });

  test("models of another kind do not count", () => {
    expect(decide(wish("e", { kind: "embedding" }), [resident("a")], limits)).toEqual({ kind: "load", evict: [] });
  });

  test("the least recently used idle model is evicted", () => {
    const residents = [resident("a", { lastUsedMs: 3 }), resident("b", { lastUsedMs: 1 }), resident("c", { lastUsedMs: 2 })];
    expect(decide(wish("d"), residents, { ...limits, maxLoaded: 3 })).toEqual({ kind: "load", evict: ["b"] });
  });

  test("a busy model is never evicted, even when it is the least recently used", () => {
    const residents = [resident("a", { lastUsedMs: 1, inFlight: 1 }), resident("b", { lastUsedMs: 2 })];
    expect(decide(wish("c"), residents, { ...limits, maxLoaded: 2 })).toEqual({ kind: "load", evict: ["b"] });
  });

  test("when every model is busy the request waits and learns who is", () => {
    expect(decide(wish("b"), [resident("a", { inFlight: 1 })], limits)).toEqual({ kind: "queue", busy: ["a"], drain: undefined });
  });

  test("a loading model is not evicted", () => {
    expect(decide(wish("b"), [resident("a", { state: "loading" })], limits)).toMatchObject({ kind: "queue" });
  });

  test("a place that is being freed is waited for instead of evicting another model", () => {
    const residents = [resident("a", { state: "stopping" }), resident("b")];
    expect(decide(wish("c"), residents, { ...limits, maxLoaded: 2 })).toEqual({ kind: "wait" });
  });

  test("after its patience the request has the least busy model drained, and only one", () => {
    const busy = [resident("a", { inFlight: 3 }), resident("b", { inFlight: 1 })];
    const two = { ...limits, maxLoaded: 2 };
    expect(decide(wish("c", { waitedMs: 5000 }), busy, two)).toMatchObject({ drain: "b" });
    const draining = [resident("a", { inFlight: 3 }), resident("b", { inFlight: 1, state: "draining" })];
    expect(decide(wish("c", { waitedMs: 9000 }), draining, two)).toMatchObject({ drain: undefined });
  });

  test("a draining model serves nobody new and goes once it is idle", () => {
    expect(decide(wish("a"), [resident("a", { state: "draining", inFlight: 1 })], limits)).toEqual({ kind: "wait" });
    expect(decide(wish("b"), [resident("a", { state: "draining" })], limits)).toEqual({ kind: "load", evict: ["a"] });
  });

  test("too many residents after the limit shrank are all evicted when idle", () => {
    expect(decide(wish("c"), [resident("a"), resident("b", { lastUsedMs: 1 })], limits)).toEqual({ kind: "load", evict: ["a", "b"] });
  });

  test("a limit over all kinds counts models of other kinds and evicts them too", () => {
    const residents = [resident("a", { lastUsedMs: 2 }), resident("e", { kind: "embedding", lastUsedMs: 1 })];
    const total = { maxLoaded: Infinity, maxTotal: 2, patienceMs: 5000 };
    expect(decide(wish("b"), residents, total)).toEqual({ kind: "load", evict: ["e"] });
    expect(decide(wish("b"), residents, { ...total, maxTotal: 3 })).toEqual({ kind: "load", evict: [] });
  });

  test("a model that goes for one limit counts for the other one as gone", () => {
    const residents = [resident("a", { lastUsedMs: 2 }), resident("e", { kind: "embedding", lastUsedMs: 1 })];
    expect(decide(wish("b"), residents, { maxLoaded: 1, maxTotal: 2, patienceMs: 5000 })).toEqual({ kind: "load", evict: ["a"] });
  });

  test("a request waits when either limit is reached by busy models", () => {
    const residents = [resident("a", { inFlight: 1 }), resident("e", { kind: "embedding", inFlight: 1 })];
    const decision = decide(wish("b"), residents, { maxLoaded: 2, maxTotal: 2, patienceMs: 5000 });
    expect(decision).toEqual({ kind: "queue", busy: ["a", "e"], drain: undefined });
  });
});
