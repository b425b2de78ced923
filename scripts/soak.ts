/**
 * Loads and unloads a model again and again on each real engine and prints what the server holds: memory and open files must stay flat,
 * and no process may be left. `bin/bun scripts/soak.ts [cycles]`, 200 by default. Exits non-zero when something grew.
 */
import { readdir, readFile } from "node:fs/promises";
import { createWorkspace, ENGINES, hasEngine, startLemonade } from "../test/fixtures/index.ts";

const cycles = Number(process.argv[2] ?? 200);
/** Cycles before the first figure: code is compiled and pools are filled in them. */
const WARM_UP = 20;
/** The collector lets memory swing by some megabytes. */
const ALLOWED_GROWTH_MB = 15;

let hasGrown = false;
for (const engine of ENGINES.filter((name) => hasEngine(name))) {
  await using workspace = await createWorkspace();
  await using server = await startLemonade({ workspace, engine });
  const cycle = async () => {
    for (const [path, body] of [
      ["/v1/load", { model_name: "tiny" }],
      ["/v1/unload", {}],
    ] as const) {
      const response = await server.post(path, body);
      if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
    }
  };
  const measure = async () => ({ megabytes: await residentMegabytes(server.pid), files: (await readdir(`/proc/${server.pid}/fd`)).length });
  for (let i = 0; i < WARM_UP; i++) await cycle();
  const before = await measure();
  const startedMs = performance.now();
  for (let i = 0; i < cycles; i++) await cycle();
  const after = await measure();
  const left = (await workspace.processes()).length - 1;
  const perCycle = Math.round((performance.now() - startedMs) / cycles);
  console.log(
    `${engine}: ${cycles} cycles of ${perCycle} ms; memory ${before.megabytes} → ${after.megabytes} MB; open files ${before.files} → ${after.files}; processes left ${left}`,
  );
  hasGrown ||= after.megabytes > before.megabytes + ALLOWED_GROWTH_MB || after.files > before.files + 2 || left > 0;
}
process.exit(hasGrown ? 1 : 0);

async function residentMegabytes(pid: number): Promise<number> {
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024);
}
