import { relative } from "node:path";
import { BUDGETS } from "../budgets.ts";
import type { LoadWatch } from "../machine.ts";
import { residentBytes } from "../process-usage.ts";
import type { Row } from "../result.ts";
import { summarize } from "../summary.ts";
import { LEMONADE, mockFacts, ROOT, startLemonade } from "../targets/lemonade.ts";
import { CHAT_BODY } from "../wrk.ts";

/** How long a server that has answered may settle before its memory counts as idle. */
const SETTLE_MS = 500;

export interface StartupOptions {
  readonly runs: number;
  readonly load: LoadWatch;
  /** A built executable to measure beside the command of the checkout. */
  readonly built?: string | undefined;
}

type Samples = Readonly<Record<"versionMs" | "serveMs" | "rssMb" | "readyMs", number[]>>;

/** A fresh process per run: version, start of the server, its idle memory, and how soon a request reaches an engine that is ready. */
export async function measureStartup({ runs, load, built }: StartupOptions): Promise<Row[]> {
  const commands = [LEMONADE, ...(built === undefined ? [] : [built])];
  const bareMs: number[] = [];
  const samples = new Map<string, Samples>(commands.map((command) => [command, { versionMs: [], serveMs: [], rssMb: [], readyMs: [] }]));
  for (let run = 0; run < runs; run++) {
    await load.quiet();
    bareMs.push(await timeOf([process.execPath, "--no-env-file", "-e", "0"]));
    for (const [command, of] of samples) {
      of.versionMs.push(await timeOf([command, "--version"]));
      await using server = await startLemonade(command);
      of.serveMs.push(server.startMs);
      await Bun.sleep(SETTLE_MS);
      of.rssMb.push(residentBytes(server.pid) / 1e6);
      of.readyMs.push(await readyToRequestMs(server));
    }
  }
  const row = (what: string, unit: Row["unit"], values: readonly number[], budget?: Row["budget"]): Row => ({
    what,
    unit,
    of: { lemonade: summarize(values) },
    budget,
  });
  const rowsOf = (name: string, of: Samples): Row[] => [
    row(`\`${name} --version\``, "ms", of.versionMs, BUDGETS.versionMs),
    row(`\`${name} serve\`, exec to first 200`, "ms", of.serveMs, BUDGETS.serveMs),
    row(`\`${name} serve\`, resident memory, idle`, "MB", of.rssMb, BUDGETS.idleRssMb),
    row(`\`${name} serve\`, engine ready to first request`, "ms", of.readyMs, BUDGETS.readyToRequestMs),
  ];
  return [row("`bun -e 0`, for comparison", "ms", bareMs), ...[...samples].flatMap(([command, of]) => rowsOf(relative(ROOT, command), of))];
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
