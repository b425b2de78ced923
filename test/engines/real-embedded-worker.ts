import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installEmbeddedEngine, type InstalledEmbeddedEngine } from "../../src/backends/embedded/install-engine.ts";
import { buildTinyModel, type TinyOptions } from "../../src/model/tiny/index.ts";
import { pickFreePort } from "../../src/platform/index.ts";
import { temporaryFolder } from "../fixtures/temporary-folder.ts";
import { until } from "../fixtures/until.ts";
import { ENGINES_FOLDER } from "../fixtures/workspace.ts";

const WORKER = fileURLToPath(new URL("../../src/backends/embedded/worker/main.ts", import.meta.url));

/** The engine of this machine; installed on the first run, which proves the installation too. */
export async function embeddedEngine(): Promise<InstalledEmbeddedEngine> {
  return await installEmbeddedEngine({ directory: join(ENGINES_FOLDER, "embedded") });
}

interface Slot {
  readonly is_processing: boolean;
}

/** The worker as the router starts it, on a variant of the tiny model. */
export interface RealWorker extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** Payloads of its state lines so far, by state. */
  readonly states: readonly { readonly state: string; readonly payload: Record<string, unknown> }[];
  /** Everything on standard output that is no state line. */
  readonly noise: readonly string[];
  /** The parsed answer; one without success throws it. */
  post<T>(path: string, body: unknown): Promise<T>;
  /** The data of a streamed answer, piece by piece, without the closing mark. */
  stream<T>(path: string, body: object): Promise<T[]>;
  get<T>(path: string): Promise<T>;
  /** Resolves when as many slots are at work. */
  busySlots(count: number): Promise<void>;
  writeLine(line: string): void;
  closeInput(): void;
  /** Its exit code and what it wrote on standard error. */
  ended(): Promise<{ readonly code: number; readonly log: string }>;
}

export async function startWorker(options: TinyOptions, flags: readonly string[] = []): Promise<RealWorker> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const model = join(folder.path, "tiny.gguf");
  await writeFile(model, buildTinyModel(options));
  const worker = stack.use(await spawnWorker(["--model", model, "--alias", "tiny", ...flags]));
  await until("the worker is ready", async () => {
    const { exitCode } = worker.process;
    if (exitCode !== null) throw new Error(`the worker exited with code ${exitCode}:\n${(await worker.ended()).log}`);
    return worker.states.some(({ state }) => state === "ready");
  });
  const owned = stack.move();
  return { ...worker.client, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

interface SpawnedWorker extends AsyncDisposable {
  readonly process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly states: RealWorker["states"];
  readonly client: Omit<RealWorker, typeof Symbol.asyncDispose>;
  ended(): Promise<{ readonly code: number; readonly log: string }>;
}

/** Starts a worker that may also fail. */
export async function spawnWorker(flags: readonly string[]): Promise<SpawnedWorker> {
  const { folder } = await embeddedEngine();
  const port = await pickFreePort();
  const args = ["--engine", folder, "--host", "127.0.0.1", "--port", `${port}`, ...flags];
  const worker = Bun.spawn([process.execPath, WORKER, ...args], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  const log = new Response(worker.stderr).text();
  const states: { state: string; payload: Record<string, unknown> }[] = [];
  const noise: string[] = [];
  const reading = readLines(worker.stdout, (line) => {
    const prefix = "cmd_child_to_router:state:";
    if (line.startsWith(prefix)) states.push(JSON.parse(line.slice(prefix.length)) as (typeof states)[number]);
    else noise.push(line);
  });
  const ended = async () => {
    const code = await worker.exited;
    await reading;
    return { code, log: await log };
  };
  const url = `http://127.0.0.1:${port}`;
  return {
    process: worker,
    states,
    ended,
    client: { ...httpClient(url), url, states, noise, ended, pid: worker.pid, ...input(worker) },
    async [Symbol.asyncDispose]() {
      worker.kill("SIGKILL");
      await ended();
    },
  };
}

function input({ stdin }: SpawnedWorker["process"]): Pick<RealWorker, "writeLine" | "closeInput"> {
  return {
    writeLine: (line) => void stdin.write(`${line}\n`),
    closeInput: () => void stdin.end(),
  };
}

function httpClient(url: string): Pick<RealWorker, "post" | "stream" | "get" | "busySlots"> {
  const request = async (path: string, body?: unknown): Promise<string> => {
    const response = await fetch(url + path, body === undefined ? {} : { method: "POST", body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
    return text;
  };
  const get = async <T>(path: string) => JSON.parse(await request(path)) as T;
  return {
    get,
    post: async <T>(path: string, body: unknown) => JSON.parse(await request(path, body)) as T,
    async stream<T>(path: string, body: object) {
      const lines = (await request(path, { ...body, stream: true })).split("\n").filter((line) => line.startsWith("data: "));
      if (lines.pop() !== "data: [DONE]") throw new Error("The stream was cut");
      return lines.map((line) => JSON.parse(line.slice("data: ".length)) as T);
    },
    async busySlots(count) {
      await until(
        `${count} slots are busy`,
        async () => (await get<Slot[]>("/slots")).filter((slot) => slot.is_processing).length === count,
      );
    },
  };
}

async function readLines(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<void> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  }
}
