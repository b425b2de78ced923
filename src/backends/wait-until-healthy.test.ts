import { expect, test } from "bun:test";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pickFreePort } from "../platform/index.ts";
import { isHealthy, waitUntilHealthy, type HealthProbe } from "./wait-until-healthy.ts";

/** Answers its requests with the given statuses in turn, the last one again and again; `undefined` is no answer at all. */
async function answerWith(...statuses: readonly (number | undefined)[]): Promise<AsyncDisposable & { readonly url: string }> {
  let count = 0;
  const server = createServer((_request, response) => {
    const status = statuses[Math.min(count++, statuses.length - 1)];
    if (status !== undefined) response.writeHead(status).end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/health`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const signal = new AbortController().signal;

test("asking goes on while the answer is loading, and every probe is reported", async () => {
  await using engine = await answerWith(503, 503, 200);
  const probes: HealthProbe[] = [];
  const last = await waitUntilHealthy(engine.url, { signal, intervalMs: 1, onProbe: (probe) => probes.push(probe) });
  expect(isHealthy(last)).toBe(true);
  expect(probes).toEqual([
    { attempt: 1, status: 503 },
    { attempt: 2, status: 503 },
    { attempt: 3, status: 200 },
  ]);
});

test("the last probe tells an engine that never listened from one that never finished loading", async () => {
  const refused = await waitUntilHealthy(`http://127.0.0.1:${await pickFreePort()}/health`, { signal, attempts: 2, intervalMs: 1 });
  expect(refused).toMatchObject({ attempt: 2, error: expect.any(Error) });
  await using loading = await answerWith(503);
  expect(await waitUntilHealthy(loading.url, { signal, attempts: 2, intervalMs: 1 })).toEqual({ attempt: 2, status: 503 });
});

test("an attempt that gets no answer in time counts as failed", async () => {
  await using hanging = await answerWith(undefined, 200);
  const probes: HealthProbe[] = [];
  await waitUntilHealthy(hanging.url, { signal, probeTimeoutMs: 20, intervalMs: 1, onProbe: (probe) => probes.push(probe) });
  expect(probes).toMatchObject([
    { attempt: 1, error: { name: "TimeoutError" } },
    { attempt: 2, status: 200 },
  ]);
});

test("nothing is sent while the probe is not needed, and an abort ends the wait with its reason", async () => {
  const controller = new AbortController();
  let asked = 0;
  const isNeeded = () => {
    if (++asked === 3) controller.abort(new Error("enough"));
    return false;
  };
  const onProbe = () => expect.unreachable();
  const wait = waitUntilHealthy("http://127.0.0.1:1/health", { signal: controller.signal, intervalMs: 1, isNeeded, onProbe });
  expect(await wait.catch((error: unknown) => error)).toMatchObject({ message: "enough" });
});
