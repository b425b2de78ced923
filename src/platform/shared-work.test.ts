import { expect, test } from "bun:test";
import { SharedWork } from "./shared-work.ts";

function makeWork() {
  const result = Promise.withResolvers<string>();
  let given: AbortSignal | undefined;
  const work = new SharedWork(async (signal) => {
    given = signal;
    return await result.promise;
  });
  return { work, finish: result.resolve, fail: result.reject, isAborted: () => given?.aborted };
}

test("one of several callers leaving does not end the work", async () => {
  const { work, finish, isAborted } = makeWork();
  const leaving = new AbortController();
  const [first, second] = [work.join(leaving.signal), work.join()];
  leaving.abort(new Error("left"));
  expect((await Promise.allSettled([first]))[0].status).toBe("rejected");
  expect(isAborted()).toBe(false);
  finish("done");
  expect(await second).toBe("done");
  expect(await work.join()).toBe("done");
});

test("the last caller leaving ends it", async () => {
  const { work, isAborted } = makeWork();
  const leaving = new AbortController();
  const waiting = [work.join(leaving.signal), work.join(leaving.signal)];
  leaving.abort(new Error("left"));
  expect((await Promise.allSettled(waiting)).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect([isAborted(), work.isAbandoned]).toEqual([true, true]);
});

test("what went wrong reaches everybody, and a done work is never abandoned", async () => {
  const { work, fail, isAborted } = makeWork();
  const waiting = Promise.allSettled([work.join(), work.join()]);
  const reason = new Error("broken");
  fail(reason);
  expect(await waiting).toEqual([
    { status: "rejected", reason },
    { status: "rejected", reason },
  ]);
  expect(isAborted()).toBe(false);
});
