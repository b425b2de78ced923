import { expect, test } from "bun:test";
import type { InferenceProcess, ServerState } from "../inference-process.ts";
import { FakeInferenceProcess } from "./fake-inference-process.ts";
import { fakeResponse, fakeStream } from "./fake-response.ts";
import { rejection } from "../../../../../test/fixtures/rejection.ts";

const CHAT = "/v1/chat/completions";

test("a fake stands where a server would, and answers what it was told", async () => {
  const completion = { choices: [{ message: { content: "Hi" } }] };
  await using server: InferenceProcess = new FakeInferenceProcess({ replies: { [CHAT]: completion } });
  await server.start();
  const answer = await server.chatCompletions({ messages: [{ role: "user", content: "Hello" }], seed: 42 }, { headers: { "x-id": "1" } });
  expect(answer.choices[0]?.message.content).toBe("Hi");
  expect((server as FakeInferenceProcess).requests).toEqual([
    { method: "POST", path: CHAT, body: { messages: [{ role: "user", content: "Hello" }], seed: 42 }, headers: { "x-id": "1" } },
  ]);
});

test("starts and stops are counted, and states follow those of a server", async () => {
  const server = new FakeInferenceProcess();
  const states: ServerState[] = [];
  server.on("state", (state) => states.push(state));
  await server.start();
  expect(await rejection(server.start())).toHaveProperty("code", "server_error-process_error");
  expect(await server.stop()).toEqual({ code: 0, signal: null });
  await server.stop();
  expect({ starts: server.startCount, stops: server.stopCount, states }).toEqual({
    starts: 2,
    stops: 2,
    states: ["starting", "ready", "stopping", "stopped"],
  });
});

test("a start fails as it is told, and an abort rejects with its reason", async () => {
  const failing = new FakeInferenceProcess({ start: new Error("no") });
  expect(await rejection(failing.start())).toHaveProperty("message", "no");
  expect(failing.state).toBe("failed");
  const aborted = new FakeInferenceProcess();
  expect(await rejection(aborted.start({ signal: AbortSignal.abort(new Error("enough")) }))).toHaveProperty("message", "enough");
});

test("requests before the start and after a crash are refused", async () => {
  const server = new FakeInferenceProcess({ replies: { [CHAT]: {} } });
  const ask = async () => await rejection(server.chatCompletions({ messages: [] }));
  expect(await ask()).toMatchObject({ code: "server_error-server_not_ready", status: 503 });
  await server.start();
  server.crash({ code: 1, signal: null });
  expect(await ask()).toHaveProperty("code", "server_error-server_not_ready");
  expect(await server.exited).toEqual({ code: 1, signal: null });
  expect(server.state).toBe("failed");
});

test("streams, statuses, functions and broken connections are answers, too", async () => {
  await using server = new FakeInferenceProcess();
  await server.start();
  server.reply(CHAT, fakeStream([{ choices: [{ delta: { content: "a" } }] }, { choices: [{ delta: { content: "b" } }] }]));
  for (const _again of [1, 2]) {
    const chunks = await Array.fromAsync(server.chatCompletionsStream({ messages: [] }));
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content)).toEqual(["a", "b"]);
  }
  server.reply("/v1/embeddings", fakeResponse({ error: { message: "no", type: "not_supported_error" } }, { status: 501 }));
  expect(await rejection(server.embeddings({ input: "x" }))).toMatchObject({ status: 501, type: "not_supported_error" });
  server.reply("/props", ({ path }: { path: string }) => ({ path }));
  expect(await server.props()).toEqual({ path: "/props" });
  server.reply("/props", new Error("cut"));
  expect(await rejection(server.props())).toMatchObject({ code: "reqwest_error", message: "Network error: cut." });
  expect((await server.completions({ prompt: "x" }, { raw: true })).status).toBe(404);
});

test("a fake response is 200 from the usual address unless it is told otherwise", async () => {
  const plain = fakeResponse({ a: 1 });
  expect({ status: plain.status, url: plain.url, body: await plain.json() }).toEqual({
    status: 200,
    url: "http://127.0.0.1:8080",
    body: { a: 1 },
  });
  expect(await fakeResponse("text", { status: 418 }).text()).toBe("text");
});

test("printed lines reach listeners and readers of the log, also those who come later", async () => {
  const server = new FakeInferenceProcess();
  const heard: string[] = [];
  server.on("stderr", (line) => heard.push(line));
  const off = server.on("stdout", (line) => heard.push(line));
  server.print("one");
  server.print("two", "stdout");
  off();
  server.print("three", "stdout");
  expect(heard).toEqual(["one", "two"]);
  server.crash();
  expect((await Array.fromAsync(server.logs())).map(({ stream, text }) => `${stream} ${text}`)).toEqual([
    "stderr one",
    "stdout two",
    "stdout three",
  ]);
});

test("a reader of the log may leave while it waits for a line", async () => {
  const server = new FakeInferenceProcess();
  const logs = server.logs();
  const waiting = logs.next();
  await logs.return?.();
  expect(await waiting).toEqual({ done: true, value: undefined });
});
