import { join } from "node:path";

export interface WrkResult {
  readonly requests: number;
  readonly durationUs: number;
  readonly bytes: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly errors: number;
  /** CPU time of wrk itself. */
  readonly generatorCpuMs: number;
}

export interface WrkOptions {
  readonly connections: number;
  readonly seconds: number;
  readonly body: string;
  /** Words before the command, to pin it. */
  readonly prefix: readonly string[];
}

/** Sends a chat request over and over with wrk, one thread: written in C, it leaves the cores to those that are measured. */
export async function runWrk(baseUrl: string, { connections, seconds, body, prefix }: WrkOptions): Promise<WrkResult> {
  const script = join(import.meta.dir, "wrk.lua");
  const words = ["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "30s", "-s", script, `${baseUrl}/v1/chat/completions`];
  const child = Bun.spawn([...prefix, ...words], { env: { ...process.env, BENCH_BODY: body }, stdout: "pipe", stderr: "inherit" });
  const output = await new Response(child.stdout).text();
  const line = /^BENCH (.*)$/m.exec(output)?.[1];
  if ((await child.exited) !== 0 || line === undefined) throw new Error(`wrk failed:\n${output}`);
  const usage = child.resourceUsage();
  const result: WrkResult = { ...(JSON.parse(line) as WrkResult), generatorCpuMs: Number(usage?.cpuTime.total ?? 0) / 1e3 };
  if (result.errors > 0 || result.requests === 0) throw new Error(`${baseUrl}: ${result.errors} of ${result.requests} requests failed`);
  return result;
}

export const CHAT_BODY = JSON.stringify({
  model: "tiny",
  messages: [
    { role: "system", content: "You are a helpful assistant. Answer in one paragraph." },
    { role: "user", content: "Why does a relay between a client and an engine have to be small?" },
  ],
  max_tokens: 96,
  temperature: 0.7,
});

/** A request for a stream; idle ones get one event and then nothing. */
export function streamBody({ events, idle = false }: { events: number; idle?: boolean }): string {
  return JSON.stringify({ ...JSON.parse(CHAT_BODY), stream: true, max_tokens: events, ...(idle ? { idle } : {}) });
}
