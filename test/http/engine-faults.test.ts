import { describe, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import {
  createWorkspace,
  makeMisbehavingEngine,
  rejection,
  startLemonade,
  until,
  type Lemonade,
  type MisbehavingEngine,
} from "../fixtures/index.ts";

const HELLO = [{ role: "user", content: "hi" }];
const REQUEST = { model: "tiny", messages: HELLO };

interface Case extends AsyncDisposable {
  readonly server: Lemonade;
  readonly engine: MisbehavingEngine;
}

/** A server on an engine that lives as told. */
async function serveOn(lives: Parameters<typeof makeMisbehavingEngine>[1], flags: readonly string[] = []): Promise<Case> {
  await using stack = new AsyncDisposableStack();
  const workspace = stack.use(await createWorkspace());
  const engine = await makeMisbehavingEngine(workspace, lives);
  const server = stack.use(await startLemonade({ workspace, flags: [...engine.flags, ...flags], env: engine.env }));
  const owned = stack.move();
  return { server, engine, [Symbol.asyncDispose]: async () => await owned[Symbol.asyncDispose]() };
}

/** What stands beside the `error` of an engine. */
const readable = (message: string) => ({ detail: message, status: "error", message });

async function echo(response: Response): Promise<{ path: string; headers: Record<string, string>; body: string }> {
  expect(response.status).toBe(200);
  return (await response.json()) as { path: string; headers: Record<string, string>; body: string };
}

describe("what reaches the engine", () => {
  test("the body is passed on byte for byte, fields that nobody knows included", async () => {
    await using running = await serveOn([{}]);
    const body = '{ "model":"tiny",  "messages":[],"unknown_field": {"deep":[1.0,1e3]}, "emoji":"🍋" }';
    const seen = await echo(await running.server.post("/api/v1/chat/completions", body));
    expect(seen.body).toBe(body);
    expect(seen.path).toBe("/v1/chat/completions");
    expect(seen.headers["content-type"]).toBe("application/json");
  });

  test.each([
    ["/v1/completions", "/v1/completions", "tiny"],
    ["/api/v0/embeddings", "/v1/embeddings", "tiny-embedding"],
  ])("%s goes to %s", async (from, to, model) => {
    await using running = await serveOn([{}]);
    expect((await echo(await running.server.post(from, { model, input: "x", prompt: "x" }))).path).toBe(to);
  });

  test("a body of 20 MB arrives whole, and so does the answer", async () => {
    await using running = await serveOn([{}]);
    const body = JSON.stringify({ ...REQUEST, image: "lemon ".repeat(3_500_000) });
    const response = await running.server.post("/v1/chat/completions", body);
    const seen = (await response.json()) as { bytes: number; sha256: string };
    expect(seen).toMatchObject({ bytes: body.length, sha256: new Bun.CryptoHasher("sha256").update(body).digest("hex") });
  });

  test("an error of the engine comes through with its status, its type and all that it says", async () => {
    const answers = [
      { kind: "status", status: 418, body: '{"error":{"code":418,"message":"short and stout","type":"teapot_error"}}' },
      { kind: "status", status: 503, body: "Loading model", contentType: "text/plain" },
    ] as const;
    await using running = await serveOn([{ answers }]);
    for (const { status, body, ...answer } of answers) {
      const response = await running.server.post("/v1/chat/completions", { ...REQUEST, stream: true });
      expect(response.status).toBe(status);
      expect(response.headers.get("content-type")).toBe("contentType" in answer ? answer.contentType : "application/json");
      const text = await response.text();
      if ("contentType" in answer) expect(text).toBe(body);
      else expect(JSON.parse(text)).toEqual({ ...(JSON.parse(body) as object), ...readable("short and stout") });
    }
  });
});

describe("connections that the engine ends", () => {
  test("an engine that resets every reused connection is never noticed", async () => {
    await using running = await serveOn([{ resetsReused: true, answers: [{ kind: "echo" }] }]);
    for (let i = 0; i < 10; i++)
      expect((await echo(await running.server.post("/v1/chat/completions", REQUEST))).path).toBe("/v1/chat/completions");
    expect(await running.engine.journal("start")).toHaveLength(1);
  });

  test("an engine that closes every connection after its answer is never noticed", async () => {
    await using running = await serveOn([{ closesAfterAnswer: true }]);
    for (let i = 0; i < 20; i++) await echo(await running.server.post("/v1/chat/completions", REQUEST));
    expect(await running.engine.journal("start")).toHaveLength(1);
  });
});

describe("an engine that dies", () => {
  test("before the first byte: it is started anew and asked again, and the client sees success only", async () => {
    await using running = await serveOn([{ answers: [{ kind: "crash" }] }, {}]);
    expect((await echo(await running.server.post("/v1/chat/completions", REQUEST))).path).toBe("/v1/chat/completions");
    expect(await running.engine.journal("start")).toHaveLength(2);
    expect(await running.engine.journal("request")).toHaveLength(2);
  });

  test("before the first byte, leaving its output open in other hands: it is asked again all the same", async () => {
    await using running = await serveOn([{ forksAway: true, answers: [{ kind: "crash" }] }, {}]);
    const response = await running.server.post("/v1/chat/completions", REQUEST);
    const { pid } = await running.engine.noted("forked");
    process.kill(pid, "SIGKILL"); // A process in a session of its own is out of our reach.
    expect((await echo(response)).path).toBe("/v1/chat/completions");
    expect(await running.engine.journal("request")).toHaveLength(2);
  });

  test("before the first byte again: the client learns it after the second time", async () => {
    await using running = await serveOn([{ answers: [{ kind: "crash" }] }]);
    const response = await running.server.post("/v1/chat/completions", { ...REQUEST, stream: true });
    expect(response.status).toBe(502);
    expect(response.headers.get("x-should-retry")).toBe("true"); // For OpenAI's clients.
    expect(await response.json()).toMatchObject({ error: { code: "instance_exited", source: "lemonade" } });
    expect(await running.engine.journal("request")).toHaveLength(2);
  });

  test.each([
    ["nothing but its head", undefined],
    ["comments", ": the prompt is being read\n\n:\n\n"],
    ["half of an event", 'data: {"choices":[{"del'],
  ])("in a stream that has sent %s: it is asked again and the client notices nothing", async (_, comments) => {
    await using running = await serveOn([{ answers: [{ kind: "crash after head", comments }] }, { answers: [{ kind: "stream" }] }]);
    const response = await running.server.post("/v1/chat/completions", { ...REQUEST, stream: true });
    const text = await response.text();
    expect(text.match(/^data: /gm)).toHaveLength(4);
    expect(text).toEndWith("data: [DONE]\n\n");
    expect(text).not.toContain("error");
    expect(await running.engine.journal("request")).toHaveLength(2);
    await until("the lease is given back", async () => (await running.server.model("tiny")).in_flight === 0);
  });

  test("in a stream that has sent no event, twice: the client learns it in the stream", async () => {
    await using running = await serveOn([{ answers: [{ kind: "crash after head" }] }]);
    const response = await running.server.post("/v1/chat/completions", { ...REQUEST, stream: true });
    expect(await eventsOf(response, async () => {})).toMatchObject([{ error: { code: "instance_exited" } }]);
    expect(await running.engine.journal("request")).toHaveLength(2);
  });

  test("in the middle of a stream: whole events, then an error event, then a clean end; the next request works", async () => {
    await using running = await serveOn((gatePath) => [{ answers: [{ kind: "crash in the middle", gate: gatePath("crash") }] }, {}]);
    const response = await running.server.post("/v1/chat/completions", { ...REQUEST, stream: true });
    expect(response.status).toBe(200);
    const events = await eventsOf(response, async () => await running.engine.openGate("crash"));
    expect(events[0]).toHaveProperty("choices");
    expect(events.slice(1)).toEqual([
      { error: expect.objectContaining({ code: "instance_exited", type: "server_error", source: "lemonade" }) },
    ]);
    await echo(await running.server.post("/v1/chat/completions", REQUEST));
    expect(await running.engine.journal("start")).toHaveLength(2);
  });

  test("between two requests: the next one starts it again", async () => {
    await using running = await serveOn([{}]);
    await echo(await running.server.post("/v1/chat/completions", REQUEST));
    process.kill((await running.server.model("tiny")).pid, "SIGKILL");
    await until("the model is gone", async () => (await running.server.model("tiny")).state === "failed");
    await echo(await running.server.post("/v1/chat/completions", REQUEST));
    expect(await running.engine.journal("start")).toHaveLength(2);
  });

  test("and takes what it has forked with it", async () => {
    await using running = await serveOn([{ forks: true }, {}]);
    await echo(await running.server.post("/v1/chat/completions", REQUEST));
    const { pid } = await running.engine.noted("forked");
    expect((await running.server.workspace.processes()).map((running) => running.pid)).toContain(pid);
    process.kill((await running.server.model("tiny")).pid, "SIGKILL");
    await until("the forked process is gone", async () => (await running.server.workspace.processes()).every((left) => left.pid !== pid));
  });

  test("a stream that breaks while the engine lives ends with an error event as well", async () => {
    await using running = await serveOn((gatePath) => [{ answers: [{ kind: "cut", gate: gatePath("cut") }] }]);
    const response = await running.server.post("/v1/chat/completions", { ...REQUEST, stream: true });
    const events = await eventsOf(response, async () => await running.engine.openGate("cut"));
    expect(events).toHaveLength(2);
    expect(events[1]).toMatchObject({ error: { code: "upstream_unreachable" } });
    expect(await running.engine.journal("start")).toHaveLength(1);
  });

  test("the official client turns the error event into an exception", async () => {
    await using running = await serveOn([{ answers: [{ kind: "crash in the middle" }] }]);
    const stream = await running.server.openai.chat.completions.create({ model: "tiny", messages: [], stream: true });
    expect((await rejection(Array.fromAsync(stream))).message).toContain("ended unexpectedly");
  });
});

describe("an engine that is ended on purpose", () => {
  /** Requests may go on for a second. */
  async function serveBriefly(lives: Parameters<typeof makeMisbehavingEngine>[1]): Promise<Case> {
    await using stack = new AsyncDisposableStack();
    const workspace = stack.use(await createWorkspace());
    const preset = join(workspace.folder, "preset.ini");
    await writeFile(preset, "[tiny]\nstop-timeout = 1\n");
    const engine = await makeMisbehavingEngine(workspace, lives);
    const server = stack.use(await startLemonade({ workspace, flags: [...engine.flags, "--models-preset", preset], env: engine.env }));
    const owned = stack.move();
    return { server, engine, [Symbol.asyncDispose]: async () => await owned[Symbol.asyncDispose]() };
  }

  test.each(["/api/v1/unload", "/models/unload"])("by %s is not loaded again by a request that it had not answered", async (path) => {
    await using running = await serveBriefly([{ answers: [{ kind: "silence" }] }]);
    const asked = running.server.post("/v1/chat/completions", REQUEST);
    await running.engine.noted("request");
    expect((await running.server.post(path, { model: "tiny" })).status).toBe(200);
    const response = await asked;
    expect([response.status, response.headers.get("x-should-retry")]).toEqual([503, "false"]);
    expect(await response.json()).toMatchObject({ error: { code: "model_unloaded" } });
    expect(await running.server.models()).toEqual([]);
    expect(await running.engine.journal("start")).toHaveLength(1);
  });

  test("says so to a stream that was under way", async () => {
    await using running = await serveBriefly((gatePath) => [{ answers: [{ kind: "stream", gate: gatePath("never") }] }]);
    const response = await running.server.post("/v1/chat/completions", { ...REQUEST, stream: true });
    const unload = async () => void (await running.server.post("/api/v1/unload", {}));
    expect((await eventsOf(response, unload)).at(-1)).toMatchObject({ error: { code: "model_unloaded" } });
  });

  test("for a load with other options answers what it had not begun to answer with its next one", async () => {
    await using running = await serveBriefly([{ answers: [{ kind: "silence" }] }, {}]);
    const asked = running.server.post("/v1/chat/completions", REQUEST);
    await running.engine.noted("request");
    expect((await running.server.post("/api/v1/load", { model_name: "tiny", ctx_size: 512 })).status).toBe(200);
    await echo(await asked);
    expect(await running.engine.journal("start")).toHaveLength(2);
  });
});

describe("a client that leaves", () => {
  test("a conversation while its model is loaded again leaves nothing behind", async () => {
    await using running = await serveOn((gatePath) => [
      { answers: [{ kind: "crash after head", comments: ": the prompt is being read\n\n" }] },
      { gate: gatePath("load"), answers: [{ kind: "stream" }] },
    ]);
    const client = new AbortController();
    const headers = { "content-type": "application/json", "x-conversation-id": "one" };
    const body = JSON.stringify({ ...REQUEST, stream: true });
    const response = await running.server.fetch("/v1/chat/completions", { method: "POST", headers, body, signal: client.signal });
    const read = rejection(response.text());
    await running.engine.noted("start", 2);
    client.abort();
    await read;
    await running.engine.openGate("load");
    await until("the lease is given back", async () => {
      const [model] = await running.server.models();
      return model === undefined || (model.state === "ready" && model.in_flight === 0);
    });
  });

  test("before the answer: the engine's request ends", async () => {
    await using running = await serveOn([{ answers: [{ kind: "silence" }] }]);
    const client = new AbortController();
    const asked = running.server.post("/v1/chat/completions", REQUEST, { signal: client.signal });
    await running.engine.noted("request");
    client.abort();
    await rejection(asked);
    await running.engine.noted("client left");
    await until("the lease is given back", async () => (await running.server.model("tiny")).in_flight === 0);
  });

  test("in the middle of a stream: the engine's request ends", async () => {
    await using running = await serveOn([{ answers: [{ kind: "flood" }] }]);
    const client = new AbortController();
    const response = await running.server.post("/v1/chat/completions", REQUEST, { signal: client.signal });
    await response.body!.getReader().read();
    client.abort();
    await running.engine.noted("client left");
    await until("the lease is given back", async () => (await running.server.model("tiny")).in_flight === 0);
  });

  test("in the middle of its upload: nothing reaches the engine and the server goes on", async () => {
    await using running = await serveOn([{}]);
    await echo(await running.server.post("/v1/chat/completions", REQUEST));
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    const socket = connect(running.server.port, "127.0.0.1", () => {
      socket.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n${"x".repeat(1000)}`, () =>
        socket.destroy(),
      );
    });
    socket.once("close", () => resolve());
    await closed;
    await echo(await running.server.post("/v1/chat/completions", REQUEST));
    expect(await running.engine.journal("request")).toHaveLength(2);
  });

  test("as the only one who waits for a load: the load ends and its process with it", async () => {
    await using running = await serveOn((gatePath) => [{ gate: gatePath("never") }]);
    const client = new AbortController();
    const asked = running.server.post("/v1/chat/completions", REQUEST, { signal: client.signal });
    const { pid } = await running.engine.noted("start");
    client.abort();
    await rejection(asked);
    await until("the process is gone", async () => (await running.server.workspace.processes()).every((left) => left.pid !== pid));
    await until("its place is free", async () => (await running.server.models()).length === 0);
  });

  test("as one of two who wait for a load: the other one is served", async () => {
    await using running = await serveOn((gatePath) => [{ gate: gatePath("load") }]);
    const client = new AbortController();
    const impatient = running.server.post("/v1/chat/completions", REQUEST, { signal: client.signal });
    await running.engine.noted("start");
    const patient = running.server.post("/v1/chat/completions", REQUEST);
    await running.server.waiting(2);
    client.abort();
    await rejection(impatient);
    await running.engine.openGate("load");
    await echo(await patient);
    expect(await running.engine.journal("start")).toHaveLength(1);
  });
});

/** The events of a stream that breaks off; `afterFirst` is called once its beginning is here. */
async function eventsOf(response: Response, afterFirst: () => Promise<void>): Promise<Record<string, unknown>[]> {
  let text = "";
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    if (text === "") await afterFirst();
    text += part;
  }
  expect(text).toEndWith("\n\n");
  return text
    .slice(0, -2)
    .split("\n\n")
    .map((event) => {
      expect(event).toStartWith("data: ");
      return JSON.parse(event.slice("data: ".length)) as Record<string, unknown>;
    });
}
