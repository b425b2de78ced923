import { expect, test } from "bun:test";
import type { ModelEvent } from "../model/index.ts";
import { ModelEventFeed } from "./model-event-feed.ts";

const loading = (model: string): ModelEvent => ({ kind: "loading", model });

test("a reader gets every event since it began to listen, in order", async () => {
  const feed = new ModelEventFeed();
  const left = new AbortController();
  feed.emit(loading("before"));
  const events = feed.follow({ signal: left.signal });
  feed.emit(loading("a"));
  feed.emit(loading("b"));
  expect([(await events.next()).value, (await events.next()).value]).toEqual([loading("a"), loading("b")]);
  left.abort();
  expect((await events.next()).done).toBe(true);
  expect(feed.readerCount).toBe(0);
});

test("a reader that leaves while it waits is forgotten", async () => {
  const feed = new ModelEventFeed();
  const left = new AbortController();
  const next = feed.follow({ signal: left.signal }).next();
  left.abort();
  expect((await next).done).toBe(true);
  expect(feed.readerCount).toBe(0);
});

test("a slow reader is told to read the whole list instead of filling our memory", async () => {
  const feed = new ModelEventFeed();
  const events = feed.follow({ signal: new AbortController().signal });
  for (let i = 0; i < 1500; i++) feed.emit(loading(`m${i}`));
  expect((await events.next()).value).toEqual({ kind: "reloaded" });
  expect((await events.next()).value).toEqual(loading("m1001"));
  await events.return(undefined);
  expect(feed.readerCount).toBe(0);
});
