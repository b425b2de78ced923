import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import {
  createLlamaServer,
  pickFreePort,
  type LlamaServer,
  type LlamaServerOptions,
  type StartOptions,
  type StartupError,
} from "../../src/backends/llamacpp/llama-server/index.ts";
import { buildTinyModel, describeTinyModel, TINY_SENTENCE } from "../../src/model/tiny/index.ts";
import { describeWith, ENGINES_FOLDER } from "../fixtures/index.ts";
import { isAlive } from "../fixtures/processes.ts";
import { rejection } from "../fixtures/rejection.ts";
import { temporaryFolder } from "../fixtures/temporary-folder.ts";
import { until } from "../fixtures/until.ts";

setDefaultTimeout(60_000);

const executable = join(ENGINES_FOLDER, "llamacpp", "from-source", process.platform === "win32" ? "llama-server.exe" : "llama-server");
const HELLO = { messages: [{ role: "user", content: "Hello" }], temperature: 0 } as const;

describeWith("llamacpp", "the llama-server library with a real engine", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  const model = (name: string) => join(folder.path, `${name}.gguf`);
  beforeAll(async () => {
    folder = await temporaryFolder();
    await writeFile(model("tiny"), buildTinyModel());
    await writeFile(model("endless"), buildTinyModel({ endless: true }));
    await writeFile(model("embedding"), buildTinyModel({ embedding: true }));
    await writeFile(model("reranking"), buildTinyModel({ reranking: true }));
  });
  afterAll(async () => await folder[Symbol.asyncDispose]());

  const make = async (options: Partial<LlamaServerOptions> = {}): Promise<LlamaServer> =>
    await createLlamaServer({
      executable,
      model: model("tiny"),
      alias: "testalias",
      args: ["--ctx-size", "2048", "--threads", "1"],
      ...options,
    });
  const start = async (options: Partial<LlamaServerOptions> = {}, startOptions: StartOptions = {}): Promise<LlamaServer> => {
    const server = await make(options);
    await server.start(startOptions);
    return server;
  };

  test("chat gives exactly the text that the model knows, whole and in pieces, under its alias", async () => {
    await using server = await start({ extraArgs: "--seed 42 --parallel 1 --verbose --jinja" });
    const answer = await server.chatCompletions({ ...HELLO, seed: 42 });
    expect(answer).toMatchObject({ model: "testalias", choices: [{ message: { content: TINY_SENTENCE }, finish_reason: "stop" }] });
    const chunks = await Array.fromAsync(server.chatCompletionsStream({ ...HELLO, seed: 42 }));
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe(TINY_SENTENCE);
    expect(chunks.at(-1)).toMatchObject({ model: "testalias", choices: [{ delta: {}, finish_reason: "stop" }] });
    expect(Object.keys(chunks.at(-1)?.choices[0]?.delta ?? { x: 1 })).toEqual([]);
    const raw = await server.chatCompletions({ ...HELLO, stream: true }, { raw: true });
    expect((await raw.text()).trimEnd().endsWith("data: [DONE]")).toBe(true);
    const text = await server.completions({ prompt: "Hello!", temperature: 0, max_tokens: 4 });
    expect(TINY_SENTENCE).toStartWith(`Hello!${text.choices[0]?.text}`);
  });

  test("tokens come back as the text they were made from, and the engine tells of itself", async () => {
    await using server = await start();
    const content = "Hello! I am 🍋, ñandú.";
    const { tokens } = await server.tokenize({ content });
    expect(tokens.length).toBeGreaterThan(5);
    expect(await server.detokenize({ tokens: tokens as number[] })).toEqual({ content });
    const { tokens: pieces } = await server.tokenize({ content: "Hello!", with_pieces: true });
    expect(pieces).toEqual([{ id: expect.any(Number), piece: "Hello!" }]);
    expect(await server.props()).toMatchObject({ model_path: model("tiny"), total_slots: expect.any(Number) });
    expect(await server.health()).toMatchObject({ status: "ok", httpStatus: 200 });
  });

  test("embeddings are vectors, and a server without them says how to get them", async () => {
    await using server = await start({ model: model("embedding") });
    const { data } = await server.embeddings({ input: ["a lemon tree", "a lemon tree", "quick zebra"] });
    expect(data).toHaveLength(3);
    expect(data[0]?.embedding.length).toBeGreaterThan(1);
    const [tree, same, zebra] = data.map(({ embedding }) => embedding) as [number[], number[], number[]];
    expect(cosine(tree, same)).toBeCloseTo(1, 3);
    expect(cosine(tree, zebra)).toBeLessThan(0.9);
    await using without = await start({ embeddings: false });
    const error = await rejection(without.embeddings({ input: "x" }));
    expect(error).toMatchObject({ status: 501, type: "not_supported_error", message: expect.stringContaining("--embeddings") });
  });

  test("documents are ranked when the server was started for it", async () => {
    await using server = await start({ model: model("reranking"), args: ["--reranking", "--ctx-size", "2048"] });
    const { results } = await server.rerank({ query: "lemon tree", documents: ["zzz", "a lemon tree"] });
    expect(results.toSorted((a, b) => b.relevance_score - a.relevance_score).map(({ index }) => index)).toEqual([1, 0]);
  });

  test("a key is asked of others and sent by us", async () => {
    await using server = await start({ apiKey: "geheim" });
    expect((await fetch(new URL("/props", server.baseUrl))).status).toBe(401);
    expect(await server.props()).toHaveProperty("model_path");
    expect((await server.chatCompletions(HELLO)).choices[0]?.message.content).toBe(TINY_SENTENCE);
    expect(await rejection(server.props({ headers: { authorization: "Bearer wrong" } }))).toMatchObject({
      name: "UpstreamStatusError",
      status: 401,
      type: "authentication_error",
    });
  });

  test("an engine that is killed in the middle of a stream ends it with an error that says so", async () => {
    await using server = await start({ model: model("endless") });
    let pieces = 0;
    const read = async () => {
      for await (const _chunk of server.chatCompletionsStream(HELLO)) if (++pieces === 3) process.kill(server.pid!, "SIGKILL");
    };
    expect(await rejection(read())).toMatchObject({
      code: "reqwest_error",
      message: expect.stringContaining("the engine ended with signal SIGKILL"),
    });
    expect(pieces).toBeGreaterThanOrEqual(3);
    expect(server.state).toBe("failed");
    expect(await server.exited).toEqual({ code: null, signal: "SIGKILL" });
  });

  test("leaving a stream ends the engine's work at once", async () => {
    await using server = await start({ model: model("endless"), args: ["--ctx-size", "4096", "--parallel", "1", "--slots"] });
    for await (const _chunk of server.chatCompletionsStream({ ...HELLO, n_predict: -1 })) break;
    const isIdle = async () => {
      const slots = (await (await server.request("/slots")).json()) as { is_processing: boolean }[];
      return slots.every((slot) => !slot.is_processing);
    };
    await until("the slot is free", isIdle);
    // The next one is answered, which it would not be with the only slot taken.
    expect((await server.chatCompletions({ ...HELLO, max_tokens: 1 })).choices).toHaveLength(1);
    const waiting = server.chatCompletionsStream(HELLO);
    await waiting.next();
    const [ended] = await Promise.all([waiting.next(), waiting.return?.()]);
    expect([true, false]).toContain(ended.done ?? false);
    expect(await waiting.next()).toEqual({ done: true, value: undefined });
  });

  test.skipIf(process.platform === "win32")("an engine that hangs fails its health check in time, and can be stopped", async () => {
    await using server = await start();
    process.kill(server.pid!, "SIGSTOP");
    // Its threads stop one by one, and one of them may still answer.
    const error = await until(
      "no answer comes",
      async () =>
        await server.health({ timeoutMs: 100 }).then(
          () => undefined,
          (e: unknown) => e,
        ),
    );
    expect(error).toHaveProperty("code", "server_error-health_check_error");
    expect(await server.stop({ graceMs: 100 })).toEqual({ code: null, signal: "SIGKILL" });
    expect(await isAlive(server.pid!)).toBe(false);
  });

  test.skipIf(process.platform === "win32")("a start that hangs runs out of attempts, each with its time", async () => {
    await writeSlowModel(model("slow")); // Time to stop it before it is ready.
    const server = await make({ model: model("slow") });
    const started = rejection(server.start({ attempts: 3, intervalMs: 10, probeTimeoutMs: 100 }));
    const pid = await until("the process is there", () => server.pid);
    process.kill(pid, "SIGSTOP");
    const error = await started;
    expect(error).toMatchObject({ name: expect.stringMatching(/^(HealthCheckError|StartTimeoutError)$/) });
    expect(await isAlive(pid)).toBe(false);
  });

  test("a slow load is shown as it goes on and ends when it is aborted", async () => {
    await writeSlowModel(model("slow"));
    const server = await make({ model: model("slow") });
    const controller = new AbortController();
    const statuses = new Set<number | undefined>();
    const error = await rejection(
      server.start({
        signal: controller.signal,
        intervalMs: 5,
        onProgress({ status }) {
          statuses.add(status);
          if (status === 503) controller.abort(new Error("enough"));
        },
      }),
    );
    expect(error).toHaveProperty("message", "enough");
    expect([...statuses]).toContain(503);
    expect(server.state).toBe("failed");
    expect(await isAlive(server.pid!)).toBe(false);
  });

  test("a file that is no model, and one that is cut short, end the start at once with what the engine said", async () => {
    await writeFile(model("page"), "<html>Not found</html>".repeat(100));
    await writeFile(model("cut"), buildTinyModel().subarray(0, 200_000));
    for (const [name, reason] of [
      ["page", "not_a_gguf"],
      ["cut", "damaged_model"],
    ] as const) {
      const server = await make({ model: model(name) });
      const error = await rejection(server.start());
      expect(error).toMatchObject({ code: "server_error-startup_error", exitCode: 1, reason });
      expect((error as StartupError).outputTail.length).toBeGreaterThan(2);
      expect(await isAlive(server.pid!)).toBe(false);
    }
  });

  test("an argument that the build does not know is named in the last lines", async () => {
    const server = await make({ args: ["--no-such-flag"] });
    const error = (await rejection(server.start())) as StartupError;
    expect(error).toMatchObject({ reason: "unknown_argument" });
    expect(error.outputTail.join("\n")).toContain("--no-such-flag");
  });

  test("an engine does not outlive its program, whatever way that ends", async () => {
    const library = join(import.meta.dirname, "../../src/backends/llamacpp/llama-server/index.ts");
    const options = { executable, model: model("tiny"), alias: "a" };
    for (const end of [
      "process.exit(0)",
      "throw new Error('bug')",
      "process.kill(process.pid, 'SIGKILL')",
      "process.kill(process.pid, 'SIGINT')",
    ]) {
      const program = `
        import { createLlamaServer } from ${JSON.stringify(library)};
        const server = await createLlamaServer(${JSON.stringify(options)});
        await server.start();
        process.stdout.write(String(server.pid), () => { ${end}; });`;
      const parent = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "ignore"] });
      const [pid] = await Promise.all([text(parent.stdout), once(parent, "exit")]);
      expect(Number(pid)).toBeGreaterThan(0);
      await until(`the engine ends after ${end}`, async () => !(await isAlive(Number(pid))));
    }
  });

  test("a port that another llama-server has is not mistaken for ours", async () => {
    await using first = await start();
    const second = await make({ port: first.options.port, alias: "second" });
    const error = await rejection(second.start());
    expect(error).toMatchObject({ code: "server_error-startup_error", reason: "port_taken" });
    expect(error.message).toContain(String(first.pid));
    expect(first.state).toBe("ready");
  });

  test("thirty servers one after the other leave no process, port, file descriptor or listener behind", async () => {
    const before = { files: await openFiles(), listeners: process.listenerCount("exit") };
    for (let i = 0; i < 30; i++) {
      const server = await start();
      expect((await server.chatCompletions({ ...HELLO, max_tokens: 1 })).choices).toHaveLength(1);
      await server.stop();
      expect(await isAlive(server.pid!)).toBe(false);
      expect(await pickFreePort({ range: [server.options.port, server.options.port] })).toBe(server.options.port);
    }
    await until("the descriptors are closed", async () => (await openFiles()) <= before.files + 2);
    expect(process.listenerCount("exit")).toBe(before.listeners);
  });
});

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]) => x.reduce((sum, value, i) => sum + value * (y[i] ?? 0), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** A model that takes seconds to load: it is as long as a gigabyte, and nearly all of that is zeros. */
async function writeSlowModel(path: string): Promise<void> {
  const { totalBytes, parts } = describeTinyModel({ paddingBytes: 2 ** 30 });
  await using file = await open(path, "w");
  await file.truncate(totalBytes);
  for (const { offsetBytes, bytes } of parts) await file.write(bytes, 0, bytes.length, offsetBytes);
}

/** How many files and sockets this process has open, where the system tells. */
async function openFiles(): Promise<number> {
  return (await readdir("/proc/self/fd").catch(() => [])).length;
}
