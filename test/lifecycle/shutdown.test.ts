import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  createWorkspace,
  describeWithEachEngine,
  makeMisbehavingEngine,
  makeModels,
  startLemonade,
  until,
  type Lemonade,
  type Life,
  type MisbehavingEngine,
  type Workspace,
} from "../fixtures/index.ts";

const REQUEST = { model: "tiny", stream: true, messages: [{ role: "user", content: "hi" }] };

interface Case extends AsyncDisposable {
  readonly workspace: Workspace;
  readonly server: Lemonade;
  readonly engine: MisbehavingEngine;
}

async function serveOn(lives: (gatePath: (name: string) => string) => readonly Life[]): Promise<Case> {
  await using stack = new AsyncDisposableStack();
  const workspace = stack.use(await createWorkspace());
  const engine = await makeMisbehavingEngine(workspace, lives);
  const server = stack.use(await startLemonade({ workspace, flags: engine.flags, env: engine.env }));
  const owned = stack.move();
  return { workspace, server, engine, [Symbol.asyncDispose]: async () => await owned[Symbol.asyncDispose]() };
}

async function expectNothingLeft({ workspace, server }: Pick<Case, "workspace" | "server">): Promise<void> {
  expect(await workspace.processes()).toEqual([]);
  expect(existsSync(join(server.cacheDir, "run", "server.json"))).toBe(false);
}

describe.concurrent("shutdown", () => {
  test.each(["SIGINT", "SIGTERM"] as const)("%s ends an idle server with its engine", async (signal) => {
    await using running = await serveOn(() => [{}]);
    await running.server.post("/api/v1/load", { model_name: "tiny" });
    running.server.signal(signal);
    expect(await running.server.exited).toEqual({ code: 0, signal: null });
    await expectNothingLeft(running);
  });

  test("a running stream may finish; new connections are refused meanwhile", async () => {
    await using running = await serveOn((gatePath) => [{ answers: [{ kind: "stream", gate: gatePath("answer") }] }]);
    const { server } = running;
    const response = await server.post("/v1/chat/completions", REQUEST);
    server.signal("SIGTERM");
    await until(
      "it refuses connections",
      async () =>
        await fetch(`${server.url}/live`, { keepalive: false }).then(
          () => false,
          () => true,
        ),
    );
    await running.engine.openGate("answer");
    expect(await response.text()).toEndWith("data: [DONE]\n\n");
    expect(await server.exited).toEqual({ code: 0, signal: null });
    await expectNothingLeft(running);
  });

  test("a second signal ends everything at once", async () => {
    await using running = await serveOn(() => [{ answers: [{ kind: "flood" }] }]);
    const { server } = running;
    const response = await server.post("/v1/chat/completions", REQUEST);
    const read = drain(response);
    server.signal("SIGTERM");
    await until("it says that it waits", () => server.log().includes("interrupt again"));
    const startedMs = performance.now();
    server.signal("SIGTERM");
    expect(await server.exited).toEqual({ code: 0, signal: null });
    process.stdout.write(`      a second signal took ${(performance.now() - startedMs).toFixed(0)} ms\n`);
    // The deadline for running streams is 10 s: it has not been waited for.
    expect(performance.now() - startedMs).toBeLessThan(8000);
    await read;
    await expectNothingLeft(running);
  });

  test("a second signal does not wait for a stubborn engine either", async () => {
    await using running = await serveOn(() => [{ ignoresExitLine: true, ignoresEndOfInput: true, ignoresSigterm: true }]);
    await running.server.post("/api/v1/load", { model_name: "tiny" });
    running.server.signal("SIGTERM");
    await running.engine.noted("asked to end");
    running.server.signal("SIGTERM");
    expect(await running.server.exited).toEqual({ code: 0, signal: null });
    expect(await running.engine.journal("asked to end")).toHaveLength(1);
    await expectNothingLeft(running);
  });

  test("a second signal does not wait for a stubborn engine that is still loading", async () => {
    const stubborn = { ignoresExitLine: true, ignoresEndOfInput: true, ignoresSigterm: true };
    await using running = await serveOn((gatePath) => [{ ...stubborn, gate: gatePath("never") }]);
    const asked = running.server.post("/api/v1/load", { model_name: "tiny" });
    const { pid } = await running.engine.noted("start");
    process.kill(pid, "SIGSTOP"); // Not even SIGTERM reaches it.
    running.server.signal("SIGTERM");
    expect((await asked).status).toBe(503);
    const startedMs = performance.now();
    running.server.signal("SIGTERM");
    expect(await running.server.exited).toEqual({ code: 0, signal: null });
    process.stdout.write(`      a second signal took ${(performance.now() - startedMs).toFixed(0)} ms\n`);
    await expectNothingLeft(running);
  });

  test("a stream that goes on past the deadline ends with an error event", async () => {
    await using running = await serveOn(() => [{ answers: [{ kind: "flood" }] }]);
    const response = await running.server.post("/v1/chat/completions", REQUEST);
    running.server.signal("SIGTERM");
    const end = await drain(response);
    expect(JSON.parse(end.slice(end.lastIndexOf("data: ") + "data: ".length))).toHaveProperty("error");
    expect(await running.server.exited).toEqual({ code: 0, signal: null });
    await expectNothingLeft(running);
  });

  test("those who follow the log are let go", async () => {
    await using running = await serveOn(() => [{}]);
    const { server } = running;
    const events = await server.fetch("/api/v1/logs/stream");
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/api/v1/logs/ws`);
    const { promise: closed, resolve } = Promise.withResolvers<number>();
    socket.addEventListener("close", ({ code }) => resolve(code));
    await new Promise((opened) => socket.addEventListener("open", opened));
    server.signal("SIGTERM");
    expect(await events.text()).toContain("stopping");
    expect(await closed).toBe(1001);
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });

  test("a load under way is given up", async () => {
    await using running = await serveOn((gatePath) => [{ gate: gatePath("never") }]);
    const asked = running.server.post("/v1/chat/completions", REQUEST);
    await running.engine.noted("start");
    running.server.signal("SIGTERM");
    const response = await asked;
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { code: "shutting_down" } });
    expect(await running.server.exited).toEqual({ code: 0, signal: null });
    await expectNothingLeft(running);
  });

  test("an engine that ignores every request to end is killed, and what it has forked, too", async () => {
    await using running = await serveOn(() => [{ ignoresExitLine: true, ignoresEndOfInput: true, ignoresSigterm: true, forks: true }]);
    await running.server.post("/api/v1/load", { model_name: "tiny" });
    running.server.signal("SIGTERM");
    expect(await running.server.exited).toEqual({ code: 0, signal: null });
    const asked = (await running.engine.journal("asked to end")).map(({ how }) => how);
    expect(asked[0]).toBe("exit line");
    expect(asked).toContain("SIGTERM");
    await expectNothingLeft(running);
  });
});

describeWithEachEngine("shutdown of a real engine", (engine) => {
  test("a stream in flight does not keep the server longer than its deadline, and nothing is left", async () => {
    await using workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "models"), ["plain"]);
    await using server = await startLemonade({ engine, workspace, flags: [...models.flags, "--max-loaded-models", "2"] });
    await Promise.all(["plain", "tiny"].map(async (model_name) => await server.post("/api/v1/load", { model_name })));
    const response = await server.post("/v1/chat/completions", { ...REQUEST, model: "plain" });
    server.signal("SIGTERM");
    expect(await response.text()).toEndWith("data: [DONE]\n\n");
    expect(await server.exited).toEqual({ code: 0, signal: null });
    await expectNothingLeft({ workspace, server });
  });
});

/** Reads a stream to its end, however it ends, and returns its last bytes. */
async function drain(response: Response): Promise<string> {
  let end = "";
  try {
    for await (const text of response.body!.pipeThrough(new TextDecoderStream())) end = (end + text).slice(-10_000);
  } catch {
    // A connection that is closed in the middle is an end as well.
  }
  return end;
}
