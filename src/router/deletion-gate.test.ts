import { expect, test } from "bun:test";
import type { ModelEntry, ModelId } from "../model/index.ts";
import { DeletionGate } from "./deletion-gate.ts";

const entry = (checkpoint: string): ModelEntry => ({
  id: checkpoint as ModelId,
  checkpoint,
  recipe: "llamacpp",
  labels: [],
  source: "hub-cache",
  suggested: false,
});
const never = new AbortController().signal;

test("an engine waits for the deletions of its repository, one after the other, and for no other's", async () => {
  const gate = new DeletionGate();
  const steps: string[] = [];
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const deletions = [
    gate.close(entry("o/a:Q4_0"), async () => void (await first.promise, steps.push("first"))),
    gate.close(entry("o/a:Q8_0"), async () => void (await second.promise, steps.push("second"))),
  ];
  const passed = gate.pass(entry("o/a:Q2_K"), never).then(() => steps.push("engine"));
  await gate.pass(entry("o/b:Q4_0"), never);
  second.resolve();
  first.resolve();
  await Promise.all([...deletions, passed]);
  expect(steps).toEqual(["first", "second", "engine"]);
});

test("a deletion that fails opens the gate, and whoever gives up leaves with its reason", async () => {
  const gate = new DeletionGate();
  const failing = Promise.withResolvers<void>();
  const deletion = gate.close(entry("o/a"), async () => await failing.promise).catch((error: unknown) => error);
  const caller = new AbortController();
  const left = gate.pass(entry("o/a"), caller.signal).catch((error: unknown) => error);
  const reason = new Error("the client left");
  caller.abort(reason);
  expect(await left).toBe(reason);
  const waiting = gate.pass(entry("o/a"), never);
  const failure = new Error("read-only");
  failing.reject(failure);
  expect(await deletion).toBe(failure);
  await waiting;
});
