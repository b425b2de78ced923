import { BUDGETS } from "../budgets.ts";
import type { LoadWatch } from "../machine.ts";
import { residentBytes } from "../process-usage.ts";
import type { Row } from "../result.ts";
import { summarize } from "../summary.ts";
import { LEMONADE, mockFacts, startLemonade } from "../targets/lemonade.ts";
import { CHAT_BODY } from "../wrk.ts";

/** How long a server that has answered may settle before its memory counts as idle. */
const SETTLE_MS = 500;

/** A fresh process per run: version, start of the server, its idle memory, and how soon a request reaches an engine that is ready. */
export async function measureStartup({ runs, load }: { runs: number; load: LoadWatch }): Promise<Row[]> {
  const samples = {
    bareMs: [] as number[],
    versionMs: [] as number[],
    serveMs: [] as number[],
    rssMb: [] as number[],
    readyMs: [] as number[],
  };
  for (let run = 0; run < runs; run++) {
    await load.quiet();
    samples.bareMs.push(await timeOf([process.execPath, "--no-env-file", "-e", "0"]));
    samples.versionMs.push(await timeOf([LEMONADE, "--version"]));
    await using server = await startLemonade();
    samples.serveMs.push(server.startMs);
    await Bun.sleep(SETTLE_MS);
    samples.rssMb.push(residentBytes(server.pid) / 1e6);
    samples.readyMs.push(await readyToRequestMs(server));
  }
  const row = (what: string, unit: Row["unit"], values: readonly number[], budget?: Row["budget"]): Row => ({
    what,
    unit,
    of: { lemonade: summarize(values) },
    budget,
  });
  return [
    row("`bun -e 0`, for comparison", "ms", samples.bareMs),
    row("`lemonade --version`", "ms", samples.versionMs, BUDGETS.versionMs),
    row("`lemonade serve`, exec to first 200", "ms", samples.serveMs, BUDGETS.serveMs),
    row("resident memory, idle", "MB", samples.rssMb, BUDGETS.idleRssMb),
    row("engine ready to first request", "ms", samples.readyMs, BUDGETS.readyToRequestMs),
  ];
}

async function timeOf(words: readonly string[]): Promise<number> {
  const startedMs = performance.now();
  const exitCode = await Bun.spawn([...words], { stdin: "ignore", stdout: "ignore", stderr: "inherit" }).exited;
  if (exitCode !== 0) throw new Error(`${words.join(" ")} ended with exit code ${exitCode}`);
  return performance.now() - startedMs;
}

/** By the engine's own clock: from the state line it prints to the request that waited for it. */
async function readyToRequestMs(server: Awaited<ReturnType<typeof startLemonade>>): Promise<number> {
  const response = await fetch(`${server.baseUrl}/v1/chat/completions`, { method: "POST", body: CHAT_BODY });
  if (response.status !== 200) throw new Error(`The first request failed: ${await response.text()}`);
  await response.arrayBuffer();
  const { readyMs, firstRequestMs } = await mockFacts(server);
  if (firstRequestMs === null) throw new Error("The mock was asked nothing");
  return firstRequestMs - readyMs;
}
