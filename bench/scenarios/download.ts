import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { huggingfaceHubPython, pythonEnvironment } from "../../test/fixtures/hub/index.ts";
import { BUDGETS } from "../budgets.ts";
import type { LoadWatch, Measured } from "../machine.ts";
import type { Downloader, ModelRow } from "../result.ts";
import { cpuMs } from "../process-usage.ts";
import { summarize, type Summary } from "../summary.ts";
import { makeFolder } from "../targets/child.ts";

export interface DownloadOptions {
  readonly rounds: number;
  readonly load: LoadWatch;
  readonly megabytes: number;
}

interface Sample {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Of the contender's first process. */
  readonly peakMb: number;
  readonly aboveIdleMb: number;
}

const REPO = "bench/large-GGUF";
const FILE = "large-Q4_0.gguf";
const MIB = 1 << 20;
const CONTENDERS: readonly Downloader[] = ["curl", "verified", "hf", "lemonade"];

/**
 * Downloads one large file from the local hub with each contender in turn; each starts with an empty cache and written-out disk buffers.
 * lemonade verifies the hash and waits until the disk has the bytes; curl and hf do neither, so curl is measured with both after it, too.
 */
export async function measureDownload({ rounds, load, megabytes }: DownloadOptions): Promise<ModelRow[]> {
  const folder = await makeFolder("download");
  await using resources = new AsyncDisposableStack();
  resources.defer(folder.remove);
  await writeLargeFile(join(folder.path, "hub", REPO, FILE), megabytes);
  const { endpoint, pid } = await startHub(join(folder.path, "hub"), resources);
  const python = await huggingfaceHubPython("2.4.0");
  const samples: Record<Downloader, Sample[]> = { curl: [], verified: [], hf: [], lemonade: [] };
  const cacheDir = join(folder.path, "cache");
  for (let round = 0; round < rounds; round++) {
    for (const contender of CONTENDERS) {
      await load.quiet();
      const words = commandOf(contender, { endpoint, python, file: join(cacheDir, FILE) });
      const env = { ...pythonEnvironment({ endpoint, cacheDir }), HF_HUB_DISABLE_XET: "1" };
      samples[contender].push(await load.undisturbed(async () => await downloadOnce(words, { env, cacheDir, hubPid: pid })));
    }
  }
  return rowsOf(samples, megabytes);
}

function commandOf(contender: Downloader, { endpoint, python, file }: { endpoint: string; python: string; file: string }): string[] {
  const curl = ["curl", "--silent", "--location", "--fail", "--output", file, `${endpoint}/${REPO}/resolve/main/${FILE}`];
  const quoted = curl.map((word) => `'${word}'`).join(" ");
  if (contender === "curl") return curl;
  if (contender === "verified") return ["sh", "-c", `${quoted} && sync --data '${file}' && sha256sum '${file}' >/dev/null`];
  if (contender === "hf") return [python, "-m", "huggingface_hub.cli.hf", "download", REPO, FILE];
  return [process.execPath, join(import.meta.dir, "..", "download-once.ts"), REPO, FILE];
}

async function downloadOnce(
  words: readonly string[],
  { env, cacheDir, hubPid }: { env: NodeJS.ProcessEnv; cacheDir: string; hubPid: number },
): Promise<Measured<Sample>> {
  await rm(cacheDir, { recursive: true, force: true });
  await mkdir(cacheDir);
  await Bun.spawn(["sync"]).exited;
  const [hubBefore, startMs] = [cpuMs(hubPid), performance.now()];
  const child = Bun.spawn([...words], { env, stdout: "pipe", stderr: "ignore" });
  const peak = watchPeak(child.pid);
  const output = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`${words.join(" ")} failed: ${output}`);
  const seconds = (performance.now() - startMs) / 1000;
  const cpuSeconds = Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1e6;
  const peakMb = peak() / 1e6;
  const aboveIdleMb = peakMb - Number(/^idleBytes=(\d+)$/m.exec(output)?.[1] ?? 0) / 1e6;
  return { value: { seconds, cpuSeconds, peakMb, aboveIdleMb }, ourCpuMs: cpuSeconds * 1000 + cpuMs(hubPid) - hubBefore };
}

function rowsOf(samples: Readonly<Record<Downloader, readonly Sample[]>>, megabytes: number): ModelRow[] {
  const of = (contenders: readonly Downloader[], value: (sample: Sample) => number): Partial<Record<Downloader, Summary>> =>
    Object.fromEntries(contenders.map((contender) => [contender, summarize(samples[contender].map(value))]));
  return [
    {
      what: `download of ${megabytes} MiB from a hub on this machine`,
      unit: "s",
      of: of(CONTENDERS, ({ seconds }) => seconds),
      budget: BUDGETS.downloadOfBest,
    },
    { what: "CPU time of it", unit: "s", of: of(CONTENDERS, ({ cpuSeconds }) => cpuSeconds) },
    // The shell that starts curl is not what uses the memory.
    { what: "peak memory of it", unit: "MB", of: of(["curl", "hf", "lemonade"], ({ peakMb }) => peakMb) },
    { what: "peak memory above idle", unit: "MB", of: of(["lemonade"], ({ aboveIdleMb }) => aboveIdleMb), budget: BUDGETS.downloadMb },
  ];
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
      // Gone.
    }
  }, 10);
  return () => {
    clearInterval(timer);
    return peakBytes;
  };
}

/** The hub is a process of its own, so that its work is in nobody's numbers. */
async function startHub(dir: string, resources: AsyncDisposableStack): Promise<{ endpoint: string; pid: number }> {
  const main = join(import.meta.dir, "../../test/fixtures/hub/main.ts");
  const child = Bun.spawn([process.execPath, main, "--dir", dir], { stdout: "pipe", stderr: "inherit" });
  resources.defer(async () => {
    child.kill();
    await child.exited;
  });
  for await (const line of createInterface(Readable.fromWeb(child.stdout as never))) {
    const endpoint = /^HF_ENDPOINT=(.+)$/.exec(line)?.[1];
    if (endpoint) return { endpoint, pid: child.pid };
  }
  throw new Error("The hub did not start");
}

/** Begins like a model; random bytes that no file system can fold away, made from one block so that making them takes no time. */
async function writeLargeFile(path: string, megabytes: number): Promise<void> {
  await mkdir(join(path, ".."), { recursive: true });
  const block = randomBytes(MIB);
  block.write("GGUF");
  const file = await open(path, "w");
  for (let index = 0; index < megabytes; index++) {
    createHash("sha256").update(String(index)).digest().copy(block, 4);
    await file.write(block);
  }
  await file.datasync();
  await file.close();
}
