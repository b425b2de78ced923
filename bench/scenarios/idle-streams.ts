import { connect, type Socket } from "node:net";
import { BUDGETS } from "../budgets.ts";
import type { LoadWatch } from "../machine.ts";
import { residentBytes } from "../process-usage.ts";
import type { Row } from "../result.ts";
import { summarize } from "../summary.ts";
import { loadMock, mockFacts, startLemonade } from "../targets/lemonade.ts";
import { startNginx } from "../targets/nginx.ts";
import { CHAT_BODY, streamBody } from "../wrk.ts";

/** As many as Bun's `fetch` has in flight at once (256 by default), less a few for questions to the engine. */
const STREAMS = 240;
/** Enough that code loaded and compiled for the first request does not count as memory of a stream. */
const WARM_UP_REQUESTS = 100;
const SETTLE_MS = 1000;
const OPEN_TIMEOUT_MS = 20_000;

/** What one stream costs that is open and says nothing: growth of a fresh server's memory over many of them. */
export async function measureIdleStreams({ runs, load }: { runs: number; load: LoadWatch }): Promise<Row[]> {
  const [nginxKb, lemonadeKb]: [number[], number[]] = [[], []];
  for (let run = 0; run < runs; run++) {
    await load.quiet();
    await using server = await startLemonade();
    await loadMock(server);
    await using nginx = await startNginx((await mockFacts(server)).baseUrl);
    nginxKb.push(await growthPerStreamKb(nginx));
    lemonadeKb.push(await growthPerStreamKb(server));
  }
  return [
    {
      what: `memory per idle open stream (${STREAMS} streams)`,
      unit: "kB",
      of: { nginx: summarize(nginxKb), lemonade: summarize(lemonadeKb) },
      budget: BUDGETS.idleStreamKb,
    },
  ];
}

async function growthPerStreamKb({ baseUrl, pid }: { baseUrl: string; pid: number }): Promise<number> {
  for (let i = 0; i < WARM_UP_REQUESTS; i++) {
    await (await fetch(`${baseUrl}/v1/chat/completions`, { method: "POST", body: CHAT_BODY })).arrayBuffer();
  }
  await Bun.sleep(SETTLE_MS);
  const before = residentBytes(pid);
  const sockets = await Promise.all(Array.from({ length: STREAMS }, () => openIdleStream(baseUrl)));
  await Bun.sleep(SETTLE_MS);
  const after = residentBytes(pid);
  for (const socket of sockets) socket.destroy();
  return (after - before) / STREAMS / 1e3;
}

/** Resolves once the first event has come. */
function openIdleStream(baseUrl: string): Promise<Socket> {
  const { hostname, port, host } = new URL(baseUrl);
  const body = streamBody({ events: 1, idle: true });
  const socket = connect(Number(port), hostname);
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  let received = "";
  const timer = setTimeout(() => reject(new Error(`${baseUrl} does not serve ${STREAMS} streams at once`)), OPEN_TIMEOUT_MS);
  socket.once("error", reject).on("data", (bytes) => {
    received += bytes.toString("latin1");
    if (!received.includes("data: ")) return;
    clearTimeout(timer);
    resolve(socket);
  });
  const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
  socket.write(`${head}\r\n\r\n${body}`);
  return promise;
}
