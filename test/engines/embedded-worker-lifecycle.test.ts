import { beforeAll, describe, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildTinyModel } from "../../src/model/tiny/index.ts";
import { temporaryFolder } from "../fixtures/temporary-folder.ts";
import { until } from "../fixtures/until.ts";
import { embeddedEngine, type RealWorker, spawnWorker, startWorker } from "./real-embedded-worker.ts";

const CHAT = "/v1/chat/completions";
/** Never ends by itself within a test. */
const ENDLESS = { endless: true, contextTokens: 1_000_000 } as const;
const ONE_SLOT = ["--parallel", "1", "--ctx-size", "200000"];

interface RunningAnswer {
  readonly abort: () => void;
  /** The rest of the stream as text; what arrived before the connection broke, when it does. */
  readonly rest: () => Promise<string>;
}

/** A streamed answer that has begun. */
async function beginAnswer(worker: RealWorker): Promise<RunningAnswer> {
  const controller = new AbortController();
  const body = JSON.stringify({ messages: [{ role: "user", content: "hi" }], temperature: 0, stream: true });
  const response = await fetch(worker.url + CHAT, { method: "POST", body, signal: controller.signal });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  const rest = async (): Promise<string> => {
    const decoder = new TextDecoder();
    let text = "";
    try {
      for (let step = await reader.read(); !step.done; step = await reader.read()) text += decoder.decode(step.value, { stream: true });
    } catch {
      // The connection broke.
    }
    return text;
  };
  return { abort: () => controller.abort(), rest };
}

describe("the life of an embedded worker", () => {
  beforeAll(async () => void (await embeddedEngine()), 300_000);

  test("it reports its loading and then its model, and nothing else on standard output", async () => {
    await using worker = await startWorker({});
    expect(worker.states[0]).toEqual({ state: "loading", payload: { stages: ["text_model"], current: "text_model", value: 0 } });
    const fractions = worker.states.filter(({ state }) => state === "loading").map(({ payload }) => payload["value"] as number);
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
    expect(worker.states.at(-1)).toMatchObject({ state: "ready", payload: { id: "tiny", object: "model", meta: { n_ctx: 4096 } } });
    expect(worker.noise).toEqual([]);
  });

  test("a client that hangs up frees the slot, streaming or not", async () => {
    await using worker = await startWorker(ENDLESS, ONE_SLOT);
    const answer = await beginAnswer(worker);
    await worker.busySlots(1);
    answer.abort();
    await worker.busySlots(0);

    const controller = new AbortController();
    const body = JSON.stringify({ prompt: "Hello!", temperature: 0 });
    const whole = fetch(`${worker.url}/v1/completions`, { method: "POST", body, signal: controller.signal }).catch(
      (error: unknown) => error,
    );
    await worker.busySlots(1);
    controller.abort();
    await whole;
    await worker.busySlots(0);
  });

  test("a client that hangs up while it waits leaves the queue, and the next one is served", async () => {
    await using worker = await startWorker(ENDLESS, ONE_SLOT);
    const first = await beginAnswer(worker);
    const controller = new AbortController();
    const ask = (max: number) => ({ method: "POST", body: JSON.stringify({ prompt: "Hello!", temperature: 0, max_tokens: max }) });
    const impatient = fetch(`${worker.url}/v1/completions`, { ...ask(500), signal: controller.signal }).catch(() => "gone");
    const patient = fetch(`${worker.url}/v1/completions`, ask(2)).then((response) => response.json());
    // A third request answered means that both were read: the worker takes them in their order.
    await worker.get("/slots");
    controller.abort();
    expect(await impatient).toBe("gone");
    first.abort();
    expect(await patient).toMatchObject({ choices: [{ text: " I am" }] });
    await worker.busySlots(0);
  });

  test("the exit line ends it in order, with an error event on what streams", async () => {
    await using worker = await startWorker(ENDLESS, ONE_SLOT);
    const answer = await beginAnswer(worker);
    worker.writeLine("cmd_router_to_child:exit");
    expect(await answer.rest()).toContain('"type":"unavailable_error"');
    expect(await worker.ended()).toMatchObject({ code: 0 });
  });

  test("the end of its input ends it at once, also in the middle of an answer", async () => {
    await using worker = await startWorker(ENDLESS, ONE_SLOT);
    await beginAnswer(worker);
    worker.closeInput();
    expect(await worker.ended()).toMatchObject({ code: 1, log: expect.stringContaining("EOF on stdin detected") });
  });

  test("the end of its input ends it while it loads", async () => {
    await using folder = await temporaryFolder();
    const model = join(folder.path, "slow.gguf");
    await writeFile(model, buildTinyModel({ paddingBytes: 300_000_000 }));
    await using worker = await spawnWorker(["--model", model, "--alias", "tiny"]);
    await until("it loads", () => worker.states.length > 0);
    worker.client.closeInput();
    expect(await worker.ended()).toMatchObject({ code: 1 });
  });

  test("SIGTERM ends it in order", async () => {
    await using worker = await startWorker({});
    process.kill(worker.pid, "SIGTERM");
    expect(await worker.ended()).toMatchObject({ code: 0 });
  });

  test("it answers 503 until the model is loaded", async () => {
    await using folder = await temporaryFolder();
    const model = join(folder.path, "slow.gguf");
    await writeFile(model, buildTinyModel({ paddingBytes: 300_000_000 }));
    await using worker = await spawnWorker(["--model", model, "--alias", "tiny"]);
    const response = await until("it listens", () => fetch(`${worker.client.url}/health`).catch(() => undefined));
    const isReady = worker.states.some(({ state }) => state === "ready");
    if (!isReady) {
      expect(response.status).toBe(503);
      expect(await response.json()).toEqual({ error: { code: 503, message: "Loading model", type: "unavailable_error" } });
    }
    await until("it is ready", async () => (await fetch(`${worker.client.url}/health`)).ok);
  });

  test("a key keeps strangers out, except from its health", async () => {
    await using worker = await startWorker({}, ["--api-key", "secret"]);
    const status = async (path: string, headers: Record<string, string> = {}) => (await fetch(worker.url + path, { headers })).status;
    expect(await status("/props")).toBe(401);
    expect(await status("/health")).toBe(200);
    expect(await status("/props", { authorization: "Bearer secret" })).toBe(200);
    expect(await status("/props", { "x-api-key": "secret" })).toBe(200);
  });

  describe("when it cannot start, it says why and exits with 1:", () => {
    const failure = async (flags: readonly string[]) => {
      await using worker = await spawnWorker(flags);
      return await worker.ended();
    };

    test("a file that is no GGUF", async () => {
      await using folder = await temporaryFolder();
      const model = join(folder.path, "page.gguf");
      await writeFile(model, "<!doctype html>");
      expect(await failure(["--model", model])).toEqual({ code: 1, log: expect.stringContaining("invalid magic characters") });
    });

    test("a file that is not there", async () => {
      const { code, log } = await failure(["--model", "/nowhere/model.gguf"]);
      expect(code).toBe(1);
      expect(log).toContain("failed to open GGUF file '/nowhere/model.gguf'");
      expect(log).toContain("failed to load model, '/nowhere/model.gguf'");
    });

    test("an architecture that nobody knows", async () => {
      await using folder = await temporaryFolder();
      const model = join(folder.path, "new.gguf");
      const bytes = Buffer.from(buildTinyModel());
      // The value of `general.architecture`, in place.
      bytes.write("lemon", bytes.indexOf("llama", bytes.indexOf("general.architecture")), "latin1");
      await writeFile(model, bytes);
      expect(await failure(["--model", model])).toEqual({ code: 1, log: expect.stringContaining("unknown model architecture: 'lemon'") });
    });

    test("an argument that it does not know", async () => {
      expect(await failure(["--model", "/m.gguf", "--frobnicate"])).toEqual({ code: 1, log: "error: invalid argument: --frobnicate\n" });
    });

    test("a port that is taken", async () => {
      await using first = await startWorker({});
      const { port } = new URL(first.url);
      expect(await failure(["--model", "/m.gguf", "--port", port])).toEqual({
        code: 1,
        log: expect.stringContaining("couldn't bind HTTP server socket"),
      });
    });
  });
});
