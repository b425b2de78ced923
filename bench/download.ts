import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, open, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { parseArgs } from "node:util";
import { huggingfaceHubPython, pythonEnvironment } from "../test/fixtures/hub/index.ts";

const USAGE = `Downloads one large file from the local hub with lemon.ts, curl and hf, in turn, and prints what each needed.

  bin/bun bench/download.ts [--megabytes 2048] [--rounds 1] [--folder DIR]

The files go to DIR (a temporary folder by default); each contender starts with an empty cache and written-out disk buffers. Time and
CPU are those of the contender's process with its children. lemon.ts verifies the hash and waits until the disk has the bytes; curl
and hf do neither, so a row shows curl with both after it. Memory is the peak of the contender's first process, on Linux.
`;

const { values } = parseArgs({
  options: {
    megabytes: { type: "string", default: "2048" },
    rounds: { type: "string", default: "1" },
    folder: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}

interface Result {
  readonly name: string;
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakBytes: number;
  readonly idleBytes: number | undefined;
  readonly isVerified: boolean;
  readonly isSynced: boolean;
}

const REPO = "bench/large-GGUF";
const FILE = "large-Q4_0.gguf";
const MIB = 1 << 20;

await using resources = new AsyncDisposableStack();
const root = await mkdtemp(join(values.folder ?? tmpdir(), "lemonade-bench-"));
resources.defer(() => rm(root, { recursive: true, force: true }));
const megabytes = Number(values.megabytes);
await writeLargeFile(join(root, "hub", REPO, FILE), megabytes);
const endpoint = await startHub();
const python = await huggingfaceHubPython("2.4.0");

const url = `${endpoint}/${REPO}/resolve/main/${FILE}`;
const contenders: readonly ((cacheDir: string) => Promise<Result>)[] = [
  (cacheDir) =>
    run("lemon.ts", [process.execPath, join(import.meta.dir, "download-once.ts"), REPO, FILE], {
      env: pythonEnvironment({ endpoint, cacheDir }),
      isVerified: true,
      isSynced: true,
    }),
  (cacheDir) => run("curl", ["curl", "--silent", "--location", "--fail", "--output", join(cacheDir, FILE), url]),
  (cacheDir) => {
    const file = join(cacheDir, FILE);
    const script = `curl --silent --location --fail --output '${file}' '${url}' && sync --data '${file}' && sha256sum '${file}' >/dev/null`;
    return run("curl; sync; sha256sum", ["sh", "-c", script], { isVerified: true, isSynced: true });
  },
  (cacheDir) =>
    run("hf download", [python, "-m", "huggingface_hub.cli.hf", "download", REPO, FILE], {
      env: { ...pythonEnvironment({ endpoint, cacheDir }), HF_HUB_DISABLE_XET: "1" },
    }),
];
const results: Result[] = [];
for (let round = 0; round < Number(values.rounds); round++) {
  for (const contend of contenders) {
    const cacheDir = join(root, "cache");
    await mkdir(cacheDir);
    await Bun.spawn(["sync"]).exited;
    results.push(await contend(cacheDir));
    await rm(cacheDir, { recursive: true });
  }
}
print(results);

async function run(
  name: string,
  command: string[],
  { env = process.env, isVerified = false, isSynced = false }: { env?: NodeJS.ProcessEnv; isVerified?: boolean; isSynced?: boolean } = {},
): Promise<Result> {
  const startMs = performance.now();
  const child = Bun.spawn(command, { env, stdout: "pipe", stderr: "ignore" });
  const peak = watchPeak(child.pid);
  const output = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`${name} failed: ${output}`);
  const wallMs = performance.now() - startMs;
  const idleBytes = Number(/^idleBytes=(\d+)$/m.exec(output)?.[1]) || undefined;
  const cpuMs = Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1000;
  return { name, wallMs, cpuMs, peakBytes: peak(), idleBytes, isVerified, isSynced };
}

/**
 * The high-water mark that the kernel keeps, read until the process is gone. Not `ru_maxrss`: that one begins with the size of the
 * process that forked.
 */
function watchPeak(pid: number): () => number {
  let peakBytes = 0;
  const timer = setInterval(() => {
    try {
      peakBytes = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024 || peakBytes;
    } catch {
      // Gone, or not Linux.
    }
  }, 10);
  return () => {
    clearInterval(timer);
    return peakBytes;
  };
}

/** The hub is a process of its own, so that its work is in nobody's numbers. */
async function startHub(): Promise<string> {
  const main = join(import.meta.dir, "../test/fixtures/hub/main.ts");
  const child = Bun.spawn([process.execPath, main, "--dir", join(root, "hub")], { stdout: "pipe", stderr: "inherit" });
  resources.defer(async () => {
    child.kill();
    await child.exited;
  });
  for await (const line of createInterface(Readable.fromWeb(child.stdout as never))) {
    const found = /^HF_ENDPOINT=(.+)$/.exec(line)?.[1];
    if (found) return found;
  }
  throw new Error("the hub did not start");
}

/** Random bytes that no file system can fold away, made from one block so that making them takes no time. */
async function writeLargeFile(path: string, megabytes: number): Promise<void> {
  await mkdir(join(path, ".."), { recursive: true });
  const block = randomBytes(MIB);
  const file = await open(path, "w");
  for (let index = 0; index < megabytes; index++) {
    createHash("sha256").update(String(index)).digest().copy(block, 0);
    await file.write(block);
  }
  await file.datasync();
  await file.close();
}

function print(all: readonly Result[]): void {
  const names = [...new Set(all.map(({ name }) => name))];
  const rows = names.map((name) => {
    const mine = all.filter((result) => result.name === name);
    const wallMs = median(mine.map((result) => result.wallMs));
    const [first] = mine as [Result];
    const peak = median(mine.map((result) => result.peakBytes));
    return {
      contender: name,
      "time s": (wallMs / 1000).toFixed(2),
      "MB/s": Math.round((megabytes * MIB) / 1e6 / (wallMs / 1000)),
      "CPU s": (median(mine.map((result) => result.cpuMs)) / 1000).toFixed(2),
      "peak MB": peak > 0 && !first.name.includes(";") ? Math.round(peak / 1e6) : "",
      "above idle MB": first.idleBytes === undefined ? "" : Math.round((peak - median(mine.map((result) => result.idleBytes ?? 0))) / 1e6),
      verified: first.isVerified ? "sha256" : "length",
      synced: first.isSynced ? "yes" : "no",
    };
  });
  console.log(
    `${megabytes} MiB, ${values.rounds} round(s), load ${loadavg()
      .map((load) => load.toFixed(1))
      .join(" ")}`,
  );
  console.table(rows);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}
