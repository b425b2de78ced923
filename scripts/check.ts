/**
 * Everything a change must pass, in one command: format, lint, types, the API reference, the engines that tests need, all tests, the built artefacts.
 * Runs every step, prints the totals last and exits non-zero when anything failed. `--only tests` runs one step.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const launcher = ["node", join(root, "scripts", "bun.mjs")];
const lemonade = [process.execPath, "--config=bunfig.toml", "--no-env-file", "src/cli/main.ts"];
const npmTool = (name: string, ...args: string[]) => [join(root, "node_modules", ".bin", name), ...args];

interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

interface Step {
  readonly name: string;
  readonly run: () => Promise<Totals>;
}

const steps: readonly Step[] = [
  command("format", npmTool("oxfmt", "--check")),
  command("lint", npmTool("oxlint", "--type-aware", "--deny-warnings")),
  command("types", npmTool("tsc", "--noEmit")),
  command("API reference", [process.execPath, "scripts/docs-api.ts"]),
  command("engine: embedded", [...lemonade, "install", "embedded"]),
  { name: "engine: llama-server", run: installLlamaServer },
  { name: "tests", run: runTests },
  command("build", [...launcher, "scripts/build.ts", "--smoke-test"]),
];

async function main(): Promise<number> {
  const only = process.argv[2] === "--only" ? process.argv[3] : undefined;
  const totals: Totals = { passed: 0, failed: 0, skipped: 0 };
  const failures: string[] = [];
  for (const { name, run } of steps.filter((step) => only === undefined || step.name === only)) {
    const startedMs = performance.now();
    console.log(`\n== ${name}`);
    const result = await run();
    for (const key of ["passed", "failed", "skipped"] as const) totals[key] += result[key];
    if (result.failed > 0) failures.push(name);
    console.log(`== ${name}: ${result.failed > 0 ? "FAILED" : "ok"} (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`);
  }
  if (failures.length > 0) console.log(`\nFailed: ${failures.join(", ")}`);
  const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : "";
  console.log(`\n${totals.passed} passed, ${totals.failed} failed${skipped}`);
  return totals.failed > 0 ? 1 : 0;
}

function command(name: string, words: readonly string[]): Step {
  return { name, run: async () => outcome((await execute(words)) === 0) };
}

function outcome(isPassed: boolean): Totals {
  return { passed: isPassed ? 1 : 0, failed: isPassed ? 0 : 1, skipped: 0 };
}

async function execute(words: readonly string[], env: Record<string, string> = {}): Promise<number> {
  return await Bun.spawn([...words], { cwd: root, env: { ...process.env, ...env }, stdio: ["ignore", "inherit", "inherit"] }).exited;
}

/** Built once into the user's own engine folder. Without a compiler its tests are skipped loudly, except where CI must run them all. */
async function installLlamaServer(): Promise<Totals> {
  const exitCode = await execute([...lemonade, "install", "llamacpp", "--from-source"]);
  if (exitCode === 0 || process.env["CI"] !== undefined) return outcome(exitCode === 0);
  console.log("llama-server was not built: its tests are skipped, those of the embedded engine run");
  return { passed: 0, failed: 0, skipped: 1 };
}

async function runTests(): Promise<Totals> {
  const directory = await mkdtemp(join(tmpdir(), "lemonade-check-"));
  const report = join(directory, "report.xml");
  try {
    const binDir =
      process.env["LEMONADE_BIN_DIR"] ?? join(process.env["LEMONADE_CACHE_DIR"] ?? join(homedir(), ".cache", "lemonade"), "bin");
    const words = [process.execPath, "--config=bunfig.toml", "test", "--timeout=60000", "--reporter=junit", `--reporter-outfile=${report}`];
    const exitCode = await execute([...words, "./src", "./test"], { LEMONADE_BIN_DIR: binDir });
    const totals = readTotals(
      await Bun.file(report)
        .text()
        .catch(() => ""),
    );
    // A crash of the runner leaves no failed test behind, but it is one.
    return exitCode !== 0 && totals.failed === 0 ? { ...totals, failed: 1 } : totals;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The sums in the first element of a JUnit report. */
function readTotals(xml: string): Totals {
  const sum = (name: string) => Number(new RegExp(`<testsuites[^>]* ${name}="(\\d+)"`).exec(xml)?.[1] ?? 0);
  const [tests, failed, skipped] = [sum("tests"), sum("failures"), sum("skipped")];
  return { passed: tests - failed - skipped, failed, skipped };
}

process.exit(await main());
