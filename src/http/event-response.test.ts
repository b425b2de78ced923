import { expect, test } from "bun:test";
import { RouterError } from "../errors.ts";
import { eventResponse, taskResponse } from "./event-response.ts";
import type { Identity } from "./security/index.ts";

/** A call whose client stays, and how often its answer was said to have ended. */
function callOf(identity: Identity = { name: "owner", scopes: ["infer", "manage", "admin"] }) {
  const call = {
    identity,
    signal: new AbortController().signal,
    endings: 0,
    connection: { upgrade: () => false, bodyIsRead: () => {}, answerHasEnded: () => void call.endings++ },
  };
  return call;
}

test("a task is told by its steps and its result", async () => {
  const call = callOf();
  async function* progress() {
    yield { percent: 50 };
  }
  const response = taskResponse(call, () => ({ progress: progress(), result: async () => ({ status: "success" }) }));
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  expect(await response.text()).toBe('event: progress\ndata: {"percent":50}\n\nevent: complete\ndata: {"status":"success"}\n\n');
  expect(call.endings).toBe(1);
});

test("a task that fails says so, and shows paths to administrators only", async () => {
  const failed = async (identity: Identity) =>
    await taskResponse(callOf(identity), () => {
      throw new RouterError("CACHE_NOT_WRITABLE", "Cannot write /home/user/models/a.gguf");
    }).text();
  expect(await failed({ name: "m", scopes: ["manage"] })).toMatch(/^event: error\ndata: \{"error":\{"message":"Cannot write …\/a\.gguf"/);
  expect(await failed({ name: "a", scopes: ["admin"] })).toContain("/home/user/models/a.gguf");
});

test("a client that leaves ends what makes the events, also while that waits", async () => {
  const call = callOf();
  const seen = Promise.withResolvers<AbortSignal>();
  const over = Promise.withResolvers<void>();
  const response = eventResponse(
    call,
    async function* (left) {
      yield "data: 1\n\n";
      seen.resolve(left);
      try {
        await new Promise((resolve) => left.addEventListener("abort", resolve, { once: true }));
      } finally {
        over.resolve();
      }
    },
    { pingMs: 60_000 },
  );
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader.read()).value).toBe(": ping\n\n");
  expect((await reader.read()).value).toBe("data: 1\n\n");
  void reader.read();
  expect((await seen.promise).aborted).toBe(false);
  await reader.cancel();
  await over.promise;
  expect(call.endings).toBe(1);
});
