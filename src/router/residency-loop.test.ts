import { expect, test } from "bun:test";
import { EngineTelemetry, type EngineReport, type WrappedServer } from "../backends/index.ts";
import { RouterError } from "../errors.ts";
import type { ModelEntry, ModelEvent, ModelId } from "../model/index.ts";
import { Log, type ExitInfo } from "../platform/index.ts";
import type { Lease } from "./lease.ts";
import { ResidencyLoop } from "./residency-loop.ts";
import type { ResidencyOptions } from "./residency-options.ts";

function entry(id: string): ModelEntry {
  return { id: id as ModelId, checkpoint: id, recipe: "llamacpp", labels: [], source: "builtin", suggested: true };
}

/** An engine without a process, for what the loop alone decides: limits of time and number. */
function idleEngine(): WrappedServer {
  const exited = Promise.withResolvers<ExitInfo>();
  const stop = async () => exited.resolve({ code: 0, signal: null });
  return {
    backend: "none",
    baseUrl: "",
    pid: undefined,
    commandLine: [],
    notes: [],
    telemetry: new EngineTelemetry(4096),
    start: async () => {},
    exited: exited.promise,
    stop,
    isHealthy: async () => true,
    kill: () => exited.resolve({ code: null, signal: "SIGKILL" }),
    logTail: () => [],
    [Symbol.asyncDispose]: stop,
  };
}

function createLoop(options: Partial<ResidencyOptions>): ResidencyLoop {
  const log = new Log({ level: "critical", sink: () => {} });
  return new ResidencyLoop({ log, maxLoaded: 1, startEngine: async () => idleEngine(), ...options });
}

async function errorOf(acquired: Promise<Lease>): Promise<RouterError> {
  const error = await acquired.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof RouterError) return error;
  throw new Error("It was not rejected with an error of ours", { cause: error });
}

const forEver = new AbortController().signal;

test("a request that waits too long for a place learns which model is busy", async () => {
  await using loop = createLoop({ queueTimeoutMs: 20 });
  await using lease = await loop.acquire(entry("busy"), { signal: forEver });
  const error = await errorOf(loop.acquire(entry("other"), { signal: forEver }));
  expect(error.code).toBe("QUEUE_TIMEOUT");
  expect(error.message).toContain("busy");
  expect(error.hint).toContain("--max-loaded-models");
  expect(loop.waitingCount).toBe(0);
  expect(loop.instances.map(({ model, inFlight }) => ({ model, inFlight }))).toEqual([{ model: lease.entry.id, inFlight: 1 }]);
});

test("an unload that shall not wait ends one that waits for a request", async () => {
  await using loop = createLoop({ drainMs: 600_000 });
  await using _lease = await loop.acquire(entry("busy"), { signal: forEver });
  const unloaded = loop.unload("busy");
  await loop.close(0);
  await unloaded;
  expect(loop.instances).toEqual([]);
});

test("a full queue refuses at once", async () => {
  await using loop = createLoop({ maxWaiting: 2 });
  await using _lease = await loop.acquire(entry("busy"), { signal: forEver });
  const waiting = ["a", "b"].map(async (id) => await errorOf(loop.acquire(entry(id), { signal: forEver })));
  expect((await errorOf(loop.acquire(entry("c"), { signal: forEver }))).code).toBe("QUEUE_FULL");
  await loop.close(0);
  expect((await Promise.all(waiting)).map(({ code }) => code)).toEqual(["SHUTTING_DOWN", "SHUTTING_DOWN"]);
});

test("a model under constant load makes room for a request that has lost its patience", async () => {
  await using loop = createLoop({ patienceMs: 10 });
  const first = await loop.acquire(entry("busy"), { signal: forEver });
  const other = loop.acquire(entry("other"), { signal: forEver });
  const impatient = Promise.withResolvers<void>();
  const watch = setInterval(() => {
    if (loop.instances[0]?.state === "draining") impatient.resolve();
  }, 1);
  await impatient.promise;
  clearInterval(watch);
  // From now on the busy model takes no new requests: this one comes after the other model's.
  const order: string[] = [];
  const late = loop.acquire(entry("busy"), { signal: forEver }).then((lease) => {
    order.push("busy");
    lease.release();
  });
  first.release();
  const lease = await other;
  order.push("other");
  lease.release();
  await late;
  expect(order).toEqual(["other", "busy"]);
});

test("a model that was to make room takes requests again when nobody needs its place any more", async () => {
  await using loop = createLoop({ patienceMs: 10 });
  await using _first = await loop.acquire(entry("busy"), { signal: forEver });
  const client = new AbortController();
  const other = errorOf(loop.acquire(entry("other"), { signal: client.signal }));
  while (loop.instances[0]?.state !== "draining") await new Promise((resolve) => setTimeout(resolve, 1));
  const late = loop.acquire(entry("busy"), { signal: forEver });
  client.abort(new RouterError("SHUTTING_DOWN", "the client has left"));
  await other;
  await using _second = await late;
  expect(loop.instances.map(({ model, inFlight }) => [model, inFlight])).toEqual([["busy", 2]]);
});

test("a failed load is told to all who waited for it, and the next request tries again", async () => {
  let starts = 0;
  await using loop = createLoop({
    startEngine: async () => {
      starts++;
      if (starts === 1) throw new RouterError("MODEL_LOAD_FAILED", "no memory");
      return idleEngine();
    },
  });
  const waiting = [1, 2, 3].map(async () => await errorOf(loop.acquire(entry("m"), { signal: forEver })));
  expect((await Promise.all(waiting)).map(({ code }) => code)).toEqual(Array.from({ length: 3 }, () => "MODEL_LOAD_FAILED"));
  await using _lease = await loop.acquire(entry("m"), { signal: forEver });
  expect(starts).toBe(2);
});

test("a request that comes while a load is being aborted gets a load of its own", async () => {
  let starts = 0;
  const started = Promise.withResolvers<void>();
  await using loop = createLoop({
    startEngine: async (_entry, _options, { signal }) => {
      starts++;
      started.resolve();
      if (starts > 1) return idleEngine();
      return await new Promise((_resolve, reject) => signal.addEventListener("abort", () => setTimeout(() => reject(signal.reason), 5)));
    },
  });
  const client = new AbortController();
  const left = errorOf(loop.acquire(entry("m"), { signal: client.signal }));
  await started.promise;
  client.abort(new RouterError("SHUTTING_DOWN", "the client has left"));
  await using lease = await loop.acquire(entry("m"), { signal: forEver });
  await left;
  expect(lease.entry.id).toBe("m" as ModelId);
  expect(starts).toBe(2);
});

test("a load by hand goes on when no request waits for it, and tells each step", async () => {
  const events: ModelEvent[] = [];
  const started = Promise.withResolvers<void>();
  await using loop = createLoop({
    onEvent: (event) => events.push(event),
    startEngine: async (_entry, _options, { onProgress, onReport }) => {
      onProgress({ stages: ["text_model"], stage: "text_model", fraction: 0.5 });
      await started.promise;
      onReport({ kind: "ready", info: { meta: {} } });
      return idleEngine();
    },
  });
  loop.begin(entry("m"));
  const client = new AbortController();
  const left = errorOf(loop.acquire(entry("m"), { signal: client.signal }));
  client.abort(new RouterError("SHUTTING_DOWN", "the client has left"));
  await left;
  expect(loop.runOf(entry("m")).state).toBe("loading");
  started.resolve();
  await using _lease = await loop.acquire(entry("m"), { signal: forEver });
  expect(loop.runOf(entry("m"))).toMatchObject({ state: "loaded", info: { meta: {} } });
  expect(events.map(({ kind }) => kind)).toEqual(["loading", "progress", "loaded"]);
});

test("a load by hand finds no place while every model is busy or loading, and evicts nothing", async () => {
  await using loop = createLoop({});
  await using _lease = await loop.acquire(entry("busy"), { signal: forEver });
  expect(() => loop.begin(entry("other"))).toThrow("model limit reached");
  expect(loop.instances.map(({ model }) => model)).toEqual(["busy"]);
});

test("a model that requests wait for is queued; one whose load failed says how until it is forgiven", async () => {
  await using loop = createLoop({
    startEngine: async ({ id }) => {
      if (id === "bad") throw new RouterError("MODEL_LOAD_FAILED", "no memory");
      return idleEngine();
    },
  });
  await errorOf(loop.acquire(entry("bad"), { signal: forEver }));
  expect(loop.runOf(entry("bad"))).toMatchObject({ state: "unloaded", failure: { exitCode: 1, message: "no memory" } });
  loop.forgiveAll();
  expect(loop.runOf(entry("bad")).failure).toBeUndefined();
  const lease = await loop.acquire(entry("busy"), { signal: forEver });
  const waiting = loop.acquire(entry("other"), { signal: forEver });
  expect(loop.runOf(entry("other")).state).toBe("queued");
  lease.release();
  (await waiting).release();
  expect(loop.runOf(entry("busy"))).toMatchObject({ state: "unloaded", failure: undefined });
});

test("an engine that sleeps and wakes up is told", async () => {
  const events: ModelEvent[] = [];
  let report: (report: EngineReport) => void = () => {};
  await using loop = createLoop({
    onEvent: (event) => events.push(event),
    startEngine: async (_entry, _options, { onReport }) => {
      report = onReport;
      onReport({ kind: "ready", info: { meta: {} } });
      return idleEngine();
    },
  });
  (await loop.acquire(entry("m"), { signal: forEver })).release();
  report({ kind: "sleeping" });
  expect(loop.runOf(entry("m")).state).toBe("sleeping");
  report({ kind: "ready", info: undefined });
  expect(loop.runOf(entry("m")).state).toBe("loaded");
  expect(events.slice(-2)).toEqual([
    { kind: "sleeping", model: "m" },
    { kind: "loaded", model: "m" },
  ]);
});

test("a question does not make a model the most recently used one", async () => {
  await using loop = createLoop({ maxLoaded: 2 });
  const use = async (model: string, isPassive = false) => (await loop.acquire(entry(model), { signal: forEver, isPassive })).release();
  await use("a");
  await new Promise((resolve) => setTimeout(resolve, 2)); // The clock must show that it is later.
  await use("b");
  await use("a", true);
  await use("c");
  expect(loop.instances.map(({ model }) => model)).toEqual(["b", "c"]);
});

test("the limit over all models counts each kind", async () => {
  await using loop = createLoop({ maxLoaded: Infinity, maxTotal: 1 });
  (await loop.acquire(entry("text"), { signal: forEver })).release();
  (await loop.acquire({ ...entry("vectors"), labels: ["embeddings"] }, { signal: forEver })).release();
  expect(loop.instances.map(({ model }) => model)).toEqual(["vectors"]);
});

test("ending everything at once reaches an engine that is still loading", async () => {
  const engine = idleEngine();
  await using loop = createLoop({
    startEngine: async (_entry, _options, { onServer }) => {
      onServer(engine);
      await engine.exited;
      throw new RouterError("MODEL_LOAD_FAILED", "it was killed");
    },
  });
  const failed = errorOf(loop.acquire(entry("m"), { signal: forEver }));
  while (loop.instances[0]?.prepared === undefined) await Promise.resolve();
  loop.kill();
  expect((await failed).message).toBe("it was killed");
});

test("a model whose engine keeps crashing drains no other one", async () => {
  const told: ModelEvent["kind"][] = [];
  await using loop = createLoop({ patienceMs: 0, onEvent: ({ kind }) => told.push(kind) });
  const until = async (kind: ModelEvent["kind"]) => {
    while (told.at(-1) !== kind) await Promise.resolve();
  };
  for (let crash = 1; crash <= 6; crash++) {
    loop.begin(entry("bad"));
    await until("loaded");
    loop.kill();
    await until("unloaded");
  }
  await using _lease = await loop.acquire(entry("busy"), { signal: forEver });
  expect((await errorOf(loop.acquire(entry("bad"), { signal: forEver }))).code).toBe("ENGINE_KEEPS_CRASHING");
  expect(loop.instances.map(({ model, state }) => [model, state])).toEqual([["busy", "ready"]]);
});

test("a model without requests is unloaded after the set time, not one that is in use", async () => {
  const unloaded = new Map(["idle", "busy"].map((model) => [model, Promise.withResolvers<void>()]));
  await using loop = createLoop({
    maxLoaded: 2,
    idleUnloadMs: 5,
    onEvent: (event) => (event.kind === "unloaded" ? unloaded.get(event.model)?.resolve() : undefined),
  });
  const lease = await loop.acquire(entry("busy"), { signal: forEver });
  (await loop.acquire(entry("idle"), { signal: forEver })).release();
  await unloaded.get("idle")?.promise;
  expect(loop.instances.map(({ model, state }) => [model, state])).toEqual([["busy", "ready"]]);
  lease.release();
  await unloaded.get("busy")?.promise;
  expect(loop.instances).toEqual([]);
  expect(loop.failures()).toEqual([]);
});
