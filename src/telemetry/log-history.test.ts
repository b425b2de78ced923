import { expect, test } from "bun:test";
import type { LogLevel, LogLine } from "../platform/index.ts";
import { LogHistory } from "./log-history.ts";

const line = (text: string, level: LogLevel = "info", source = "router"): LogLine => ({ timeMs: 0, level, source, text });

test("a reader gets the kept lines first and then every new one", async () => {
  const history = new LogHistory();
  history.add(line("before"));
  const stop = new AbortController();
  const lines = history.follow({}, stop.signal);
  expect((await lines.next()).value?.text).toBe("before");
  const next = lines.next();
  history.add(line("after"));
  expect((await next).value?.text).toBe("after");
  stop.abort();
  expect((await lines.next()).done).toBe(true);
});

test("level and source filter the kept and the new lines alike", async () => {
  const history = new LogHistory();
  history.add(line("too detailed", "debug", "tiny"));
  history.add(line("of another model", "error", "other"));
  const stop = new AbortController();
  const lines = history.follow({ level: "warning", source: "tiny" }, stop.signal);
  const next = lines.next();
  history.add(line("too detailed", "info", "tiny"));
  history.add(line("wanted", "error", "tiny"));
  expect((await next).value?.text).toBe("wanted");
  await lines.return(undefined);
});

test("a reader who left is forgotten, also one who was waiting", async () => {
  const history = new LogHistory();
  const stop = new AbortController();
  const waiting = history.follow({}, stop.signal).next();
  expect(history.readerCount).toBe(1);
  stop.abort();
  expect((await waiting).done).toBe(true);
  expect(history.readerCount).toBe(0);
});

test("history and the queue of a slow reader are bounded, and the reader learns what it missed", async () => {
  const history = new LogHistory();
  for (let i = 0; i < 12_000; i++) history.add(line(`kept ${i}`));
  const stop = new AbortController();
  const lines = history.follow({}, stop.signal);
  expect((await lines.next()).value?.text).toBe("kept 7000");
  for (let i = 0; i < 6000; i++) history.add(line(`new ${i}`));
  expect((await lines.next()).value?.text).toMatch(/^\d+ lines were left out/);
  expect((await lines.next()).value?.text).toBe("new 1000");
  stop.abort();
  await lines.return(undefined);
});
