/**
 * Measures the checkout against the budgets of its design: `bin/bun bench/main.ts [--only startup,latency,…] [--rounds N] [--pin]
 * [--built dist/lemonade] [--megabytes N] [--json] [--write-docs]`. Needs Linux, wrk and nginx for the relay, curl and Python for
 * `download`. A missed budget is a line in the table, not a failure.
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { describeMachine, LoadWatch } from "./machine.ts";
import { judge, judgeModels, renderConditions, renderTables, type Report } from "./report.ts";
import { SCENARIOS, type ModelRow, type Row, type Scenario } from "./result.ts";
import { measureCatalog } from "./scenarios/catalog.ts";
import { measureDownload } from "./scenarios/download.ts";
import { measureIdleStreams } from "./scenarios/idle-streams.ts";
import { measureRelay } from "./scenarios/relay.ts";
import { measureStartup } from "./scenarios/startup.ts";
import { writeDocs } from "./write-docs.ts";

const USAGE = `Measures the checkout against the budgets of its design, side by side with nginx, curl and hf. On Linux.

  bin/bun bench/main.ts [--only PARTS] [--rounds 7] [--pin] [--built FILE] [--megabytes 2048] [--json] [--write-docs]

PARTS, separated by commas: ${SCENARIOS.join(", ")}; all by default.
--pin          generator and mock on the first core, the relays on the others
--built FILE   measures the start of a built executable, too
--megabytes N  size of the download
--write-docs   writes the tables into docs/performance.md
`;

const { values } = parseArgs({
  options: {
    help: { type: "boolean", short: "h", default: false },
    only: { type: "string", default: SCENARIOS.join(",") },
    rounds: { type: "string", default: "7" },
    pin: { type: "boolean", default: false },
    built: { type: "string" },
    megabytes: { type: "string", default: "2048" },
    json: { type: "boolean", default: false },
    "write-docs": { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const rounds = Number(values.rounds);
const chosen = values.only.split(",");
const unknown = chosen.filter((name) => !SCENARIOS.includes(name as Scenario));
if (process.platform !== "linux" || unknown.length > 0 || !(rounds >= 1)) {
  console.error(USAGE);
  process.exit(2);
}

// Ends what was started: children go with an orderly exit.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

const load = new LoadWatch();
const rows: Row[] = [];
const modelRows: ModelRow[] = [];
const versions = { nginx: versionOf(["nginx", "-v"]), wrk: versionOf(["wrk", "-v"]) };
const missing = Object.entries(versions).filter(([, version]) => version === undefined);
if (missing.length > 0 && chosen.some((name) => !["startup", "catalog", "download"].includes(name))) {
  console.error(`Missing: ${missing.map(([name]) => name).join(", ")}. On Debian: apt-get install --no-install-recommends wrk nginx-light`);
  process.exit(2);
}

const isWanted = (scenario: Scenario) => chosen.includes(scenario);
if (isWanted("startup"))
  rows.push(...(await measureStartup({ runs: rounds, load, built: values.built === undefined ? undefined : resolve(values.built) })));
if (isWanted("idle-streams")) rows.push(...(await measureIdleStreams({ runs: rounds, load })));
const relayed = (["latency", "throughput", "events"] as const).filter(isWanted);
if (relayed.length > 0) rows.push(...(await measureRelay({ only: relayed, rounds, load, pin: values.pin })));

if (isWanted("catalog")) modelRows.push(...(await measureCatalog({ runs: rounds, load })));
if (isWanted("download")) modelRows.push(...(await measureDownload({ rounds, load, megabytes: Number(values.megabytes) })));

const report: Report = {
  machine: describeMachine(Object.fromEntries(Object.entries(versions).map(([name, version]) => [name, version ?? "not installed"]))),
  commit: outputOf(["git", "-C", import.meta.dir, "describe", "--always", "--dirty"]).trim(),
  date: new Date().toISOString().slice(0, 10),
  rounds,
  placement: values.pin ? "The generator and the mock share core 0, the relays have the others." : "Nothing is pinned to a core.",
  ...load.report(),
  rows,
  modelRows,
};
if (values.json) {
  const judged = {
    rows: rows.map((row) => ({ ...row, verdict: judge(row) })),
    modelRows: modelRows.map((row) => ({ ...row, verdict: judgeModels(row) })),
  };
  console.log(JSON.stringify({ ...report, ...judged }, undefined, 2));
} else console.log(`${renderConditions(report)}\n\n${renderTables(report)}`);
if (values["write-docs"]) console.error(`wrote ${await writeDocs(report)}`);

function versionOf(words: readonly [string, ...string[]]): string | undefined {
  return Bun.which(words[0]) === null ? undefined : /\d+\.\d+\.\d+/.exec(outputOf(words))?.[0];
}

function outputOf(words: readonly string[]): string {
  const { stdout, stderr } = Bun.spawnSync([...words]);
  return stdout.toString() + stderr.toString();
}
