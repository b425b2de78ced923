import { expect, test } from "bun:test";
import { PartSlots } from "./part-slots.ts";

const { signal } = new AbortController();

test("slots are given in the order in which they were asked for", async () => {
  const slots = new PartSlots(1);
  const release = await slots.acquire(signal);
  const order: number[] = [];
  const waiting = [1, 2, 3].map(async (number) => {
    const give = await slots.acquire(signal);
    order.push(number);
    give();
  });
  release();
  await Promise.all(waiting);
  expect(order).toEqual([1, 2, 3]);
});

test("a slot given back twice counts once", async () => {
  const slots = new PartSlots(1);
  const release = await slots.acquire(signal);
  release();
  release();
  await slots.acquire(signal);
  let hasSecond = false;
  void slots.acquire(signal).then(() => (hasSecond = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(hasSecond).toBe(false);
});

test("whoever stops waiting leaves the queue and keeps nothing", async () => {
  const slots = new PartSlots(1);
  const release = await slots.acquire(signal);
  const caller = new AbortController();
  const reason = new Error("stopped");
  const left = slots.acquire(caller.signal).catch((error: unknown) => error);
  const next = slots.acquire(signal);
  caller.abort(reason);
  expect(await left).toBe(reason);
  release();
  expect(typeof (await next)).toBe("function");
});
