import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createLlamaServer, type LlamaServer, type LlamaServerOptions } from "../../src/backends/llamacpp/llama-server/index.ts";
import { EngineHttpClient } from "../../src/backends/llamacpp/llama-server/http-client.ts";
import { makeFakeEngine, type FakeEngineBehaviour } from "../../src/backends/llamacpp/llama-server/testing/index.ts";
import { rejection } from "../fixtures/rejection.ts";
import { until } from "../fixtures/until.ts";

setDefaultTimeout(60_000);

const HELLO = { messages: [{ role: "user", content: "Hello" }] } as const;

async function start(
  behaviour: FakeEngineBehaviour = {},
  options: Partial<LlamaServerOptions> = {},
): Promise<AsyncDisposable & { readonly server: LlamaServer }> {
  const { executable, model, ...engine } = await makeFakeEngine(behaviour);
  const server = await createLlamaServer({ alias: "a", executable, model, ...options });
  await server.start({ intervalMs: 5 });
  return {
    server,
    async [Symbol.asyncDispose]() {
      await server.stop({ graceMs: 0 });
      await engine[Symbol.asyncDispose]();
    },
  };
}

describe.skipIf(process.platform === "win32")("requests to a llama-server", () => {
  test("are answered with parsed data, and carry the key that the engine was told", async () => {
    await using started = await start({ answer: "Fine." }, { apiKey: "geheim" });
    const { server } = started;
    const answer = await server.chatCompletions(HELLO);
    expect({ model: answer.model, content: answer.choices[0]?.message.content }).toEqual({ model: "a", content: "Fine." });
    expect((await server.completions({ prompt: "x" })).choices[0]?.text).toBe("Fine.");
    expect((await server.embeddings({ input: ["abc", "de"] })).data.map(({ embedding }) => embedding)).toEqual([
      [3, 1, 0],
      [2, 1, 0],
    ]);
    const { tokens } = await server.tokenize({ content: "Hé" });
    expect(await server.detokenize({ tokens: tokens as number[] })).toEqual({ content: "Hé" });
    expect(await server.props()).toMatchObject({ model_alias: "a" });
    expect(await server.health()).toEqual({ status: "ok", httpStatus: 200, body: { status: "ok" } });
    const withWrongKey = server.chatCompletions(HELLO, { headers: { authorization: "Bearer wrong" } });
    expect(await rejection(withWrongKey)).toMatchObject({ status: 401, type: "authentication_error" });
  });

  test("with raw are the untouched response, also of an error", async () => {
    await using started = await start({ answer: "one two" });
    const { server } = started;
    const stream = await server.chatCompletions({ ...HELLO, stream: true }, { raw: true });
    expect({ status: stream.status, type: stream.headers.get("content-type"), url: stream.url }).toEqual({
      status: 200,
      type: "text/event-stream",
      url: `${server.baseUrl.origin}/v1/chat/completions`,
    });
    expect((await stream.text()).endsWith("data: [DONE]\n\n")).toBe(true);
    const missing = await server.rerank({ query: "a", documents: [] }, { raw: true });
    expect({ status: missing.status, body: await missing.json() }).toMatchObject({ status: 404, body: { error: { code: 404 } } });
    expect(await (await server.request("/props")).json()).toHaveProperty("build_info", "fake");
    expect(await (await server.request("/detokenize", { body: '{"tokens":[65]}' })).json()).toEqual({ content: "A" });
  });

  test("that ask for a stream without raw are sent to the method that streams", async () => {
    await using started = await start();
    const body = { ...HELLO, stream: true } as unknown as typeof HELLO;
    expect(await rejection(started.server.chatCompletions(body))).toMatchObject({ name: "InvalidOptionsError", field: "stream" });
  });

  test("stream piece by piece; the last piece is empty and says why it ended", async () => {
    await using started = await start({ answer: "one two three" });
    const chunks = await Array.fromAsync(started.server.chatCompletionsStream(HELLO));
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "")).toEqual(["one", " two", " three", ""]);
    expect(chunks.at(-1)?.choices[0]).toEqual({ index: 0, delta: {}, finish_reason: "stop" });
    const texts = await Array.fromAsync(started.server.completionsStream({ prompt: "x" }));
    expect(texts.map((chunk) => chunk.choices[0]?.text).join("")).toBe("one two three");
  });

  test("whose stream breaks off are an error of the connection; when the engine has died it says so", async () => {
    await using cut = await start({ answer: "one two three", cutsStreamAfter: 1 });
    const pieces: unknown[] = [];
    const read = async (server: LlamaServer) => {
      for await (const chunk of server.chatCompletionsStream(HELLO)) pieces.push(chunk);
    };
    expect(await rejection(read(cut.server))).toMatchObject({ code: "reqwest_error", status: 500 });
    expect(pieces).toHaveLength(1);
    expect(cut.server.state).toBe("ready");
    await using dying = await start({ answer: "one two three", diesInStreamAfter: 2 });
    const error = await rejection(read(dying.server));
    expect(error).toMatchObject({
      code: "reqwest_error",
      args: { error: expect.stringContaining("the engine ended with signal SIGKILL") },
    });
    expect(pieces).toHaveLength(3);
    expect(dying.server.state).toBe("failed");
  });

  test("fall back to the versioned tokenizer where there is no other", async () => {
    await using started = await start({ hasVersionedTokenizer: true });
    expect(await started.server.tokenize({ content: "A" })).toEqual({ tokens: [65] });
    expect(await started.server.detokenize({ tokens: [65] })).toEqual({ content: "A" });
  });

  test("end with the reason of their signal, whether or not the answer has begun", async () => {
    await using silent = await start({ isSilent: true });
    const before = new AbortController();
    const waiting = rejection(silent.server.chatCompletions(HELLO, { signal: before.signal }));
    before.abort(new Error("enough"));
    expect(await waiting).toHaveProperty("message", "enough");
    await using slow = await start({ answer: "one two three", pieceIntervalMs: 600_000 });
    const during = new AbortController();
    const read = async () => {
      for await (const _chunk of slow.server.chatCompletionsStream(HELLO, { signal: during.signal })) during.abort(new Error("enough"));
    };
    expect(await rejection(read())).toHaveProperty("message", "enough");
    const raw = await slow.server
      .chatCompletions({ ...HELLO, stream: true }, { raw: true, signal: AbortSignal.any([during.signal]) })
      .catch((error: unknown) => error);
    expect(raw).toHaveProperty("message", "enough");
  });

  test("for its health give up after their time when it hangs", async () => {
    await using started = await start();
    process.kill(started.server.pid!, "SIGSTOP");
    const ask = async () =>
      await started.server.health({ timeoutMs: 50 }).then(
        () => undefined,
        (error: unknown) => error,
      );
    const error = await until("no answer comes", ask); // It may still answer while the signal is on its way.
    expect(error).toMatchObject({ code: "server_error-health_check_error", args: { var_0: "no answer within 50 ms" } });
  });
});

interface Upstream extends AsyncDisposable {
  readonly client: EngineHttpClient;
  /** Paths whose connection was closed before their answer had ended. */
  readonly left: string[];
}

/** A client of an HTTP server that is this test. */
async function serveHere(handle: (request: IncomingMessage, response: ServerResponse) => void, apiKey?: string): Promise<Upstream> {
  const left: string[] = [];
  const server = createServer((request, response) => {
    response.once("close", () => {
      if (!response.writableFinished) left.push(request.url ?? "");
    });
    handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = new EngineHttpClient({ baseUrl: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/llm`), apiKey });
  return {
    client,
    left,
    async [Symbol.asyncDispose]() {
      client.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("the connection to an engine", () => {
  test("is broken when a reader cancels the body or a signal aborts", async () => {
    await using upstream = await serveHere((_request, response) => void response.writeHead(200).write("first"));
    const { client, left } = upstream;
    const cancelled = await client.send("/cancelled", { method: "GET" });
    const reader = cancelled.body!.getReader();
    await reader.read();
    await reader.cancel();
    await until("the server notices the first", () => left.includes("/llm/cancelled"));
    const controller = new AbortController();
    const aborted = await client.send("/aborted", { method: "GET", signal: controller.signal });
    controller.abort(new Error("enough"));
    expect(await rejection(aborted.text())).toHaveProperty("message", "enough");
    await until("the server notices the second", () => left.includes("/llm/aborted"));
  });

  test("keeps headers of either side, the key among them, and the bytes", async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    await using upstream = await serveHere((request, response) => {
      const { authorization, "x-a": a } = request.headers;
      response.writeHead(201, "Made", { "x-seen": `${request.method} ${authorization} ${String(a)}`, "set-cookie": ["a=1", "b=2"] });
      request.pipe(response);
    }, "geheim");
    const response = await upstream.client.send("/echo", { method: "PUT", body: bytes, headers: { "x-a": "b" } });
    expect({ status: response.status, statusText: response.statusText, seen: response.headers.get("x-seen") }).toEqual({
      status: 201,
      statusText: "Made",
      seen: "PUT Bearer geheim b",
    });
    expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(bytes);
  });

  test("that the engine had closed meanwhile is replaced without anybody noticing", async () => {
    await using upstream = await serveHere((request, response) => {
      response.end("fine");
      // As llama-server does after its idle time, only sooner: right after the client has put the connection aside.
      setTimeout(() => request.socket.destroy(), 5);
    });
    for (let i = 0; i < 20; i++) {
      const response = await upstream.client.send(`/${i}`, { method: "POST", body: "{}" });
      expect(await response.text()).toBe("fine");
      await new Promise((resolve) => setTimeout(resolve, i % 10));
    }
  });

  test("that ends in the middle of a body is an error", async () => {
    await using upstream = await serveHere((_request, response) => {
      response.writeHead(200, { "content-length": "100" }).write("half", () => response.destroy());
    });
    const response = await upstream.client.send("/half", { method: "GET" });
    expect(await rejection(response.text())).toHaveProperty("code", "reqwest_error");
  });

  test("reads no faster than its reader", async () => {
    let sentBytes = 0;
    let isStalled = false;
    await using upstream = await serveHere((_request, response) => {
      const chunk = new Uint8Array(65_536);
      const send = (): void => {
        while (sentBytes < 2 ** 28) {
          sentBytes += chunk.length;
          if (!response.write(chunk)) break;
        }
        isStalled = true;
        response.once("drain", send);
      };
      send();
    });
    const response = await upstream.client.send("/flood", { method: "GET" });
    const reader = response.body!.getReader();
    await reader.read();
    await until("the sender waits", () => isStalled);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(sentBytes).toBeLessThan(2 ** 26);
    await reader.cancel();
  });

  test("without a body has none, and a refused one is an error", async () => {
    await using upstream = await serveHere((_request, response) => response.writeHead(204).end());
    const response = await upstream.client.send("/nothing", { method: "DELETE" });
    expect({ status: response.status, body: response.body }).toEqual({ status: 204, body: null });
    await upstream[Symbol.asyncDispose]();
    expect(await rejection(upstream.client.send("/gone", { method: "GET" }))).toHaveProperty("code", "reqwest_error");
  });
});
