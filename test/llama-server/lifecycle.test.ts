import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import {
  createLlamaServer,
  endLeftovers,
  formatError,
  resolveExecutable,
  StartupError,
  type LlamaServer,
  type LlamaServerOptions,
  type ServerState,
} from "../../src/backends/llamacpp/llama-server/index.ts";
import { makeFakeEngine, type FakeEngine, type FakeEngineBehaviour } from "../../src/backends/llamacpp/llama-server/testing/index.ts";
import { isAlive } from "../fixtures/processes.ts";
import { temporaryFolder } from "../fixtures/temporary-folder.ts";
import { until } from "../fixtures/until.ts";
import { rejection } from "../fixtures/rejection.ts";

setDefaultTimeout(60_000);

interface Prepared extends AsyncDisposable {
  readonly server: LlamaServer;
  readonly engine: FakeEngine;
}

/** A server whose engine behaves as it is told, not started yet. */
async function prepare(behaviour: FakeEngineBehaviour = {}, options: Partial<LlamaServerOptions> = {}): Promise<Prepared> {
  const engine = await makeFakeEngine(behaviour);
  const server = await createLlamaServer({ alias: "a", ...options, executable: engine.executable, model: engine.model });
  return {
    server,
    engine,
    async [Symbol.asyncDispose]() {
      await server.stop({ graceMs: 0 });
      await engine[Symbol.asyncDispose]();
    },
  };
}

describe.skipIf(process.platform === "win32")("a llama-server process", () => {
  test("is started, ready and stopped, and says so", async () => {
    await using prepared = await prepare();
    const { server } = prepared;
    const states: ServerState[] = [];
    server.on("state", (state) => states.push(state));
    expect({ state: server.state, pid: server.pid }).toEqual({ state: "idle", pid: undefined });
    await server.start({ intervalMs: 5 });
    const pid = server.pid!;
    expect(await isAlive(pid)).toBe(true);
    expect(await server.stop()).toEqual({ code: 0, signal: null });
    expect(await isAlive(pid)).toBe(false);
    expect(await server.exited).toEqual({ code: 0, signal: null });
    expect(states).toEqual(["starting", "ready", "stopping", "stopped"]);
  });

  test("reports every attempt, and 503 as loading", async () => {
    await using prepared = await prepare({ unavailableProbes: 3 });
    const statuses: (number | undefined)[] = [];
    await prepared.server.start({ intervalMs: 5, onProgress: ({ status }) => statuses.push(status) });
    expect(statuses.filter((status) => status !== undefined)).toEqual([503, 503, 503, 200]);
  });

  test("is ready at once when it says so itself, whatever the interval", async () => {
    await using prepared = await prepare({ speaksProtocol: true, listenDelayMs: 20 });
    await prepared.server.start({ intervalMs: 600_000 });
    expect(prepared.server.state).toBe("ready");
  });

  test("that ends at once is an error with its exit and its last lines, long before the attempts run out", async () => {
    const lines = ["loading", "error: invalid argument: --no-such-flag"];
    await using prepared = await prepare({ exitCode: 3, stderr: lines });
    const error = await rejection(prepared.server.start());
    expect(error).toBeInstanceOf(StartupError);
    expect(error).toMatchObject({ exitCode: 3, signal: null, reason: "unknown_argument", outputTail: lines });
    expect(formatError(error, "de")).toContain("er kennt eines seiner Argumente nicht (exit code 3)");
    expect(prepared.server.state).toBe("failed");
  });

  test("whose port is taken between our look and its own says so when it ends", async () => {
    await using prepared = await prepare({ exitCode: 1, stderr: ["E srv start: couldn't bind HTTP server socket, hostname: 127.0.0.1"] });
    expect(await rejection(prepared.server.start())).toMatchObject({ reason: "port_taken", exitCode: 1 });
  });

  test("that never listens and one that never finishes loading fail with different errors, and leave nothing behind", async () => {
    for (const [behaviour, code] of [
      [{ listenDelayMs: 600_000 }, "server_error-health_check_error"],
      [{ unavailableProbes: -1, stderr: ["still loading"] }, "server_error-timeout_error"],
    ] as const) {
      await using prepared = await prepare(behaviour);
      const { server } = prepared;
      // Enough attempts for the slowest machine to get the program up.
      const error = await rejection(server.start({ attempts: code.includes("timeout") ? 100 : 3, intervalMs: 20 }));
      expect(error).toMatchObject({ code });
      if (code.includes("timeout")) expect(error).toMatchObject({ args: { var_0: "2" }, outputTail: ["still loading"] });
      expect(await isAlive(server.pid!)).toBe(false);
      expect(server.state).toBe("failed");
    }
  });

  test("is ended when its start is aborted, which rejects with the reason", async () => {
    await using prepared = await prepare({ unavailableProbes: -1, ignoresSigterm: true });
    const { server } = prepared;
    const controller = new AbortController();
    const onProgress = ({ status }: { status: number | undefined }) => {
      if (status === 503) controller.abort(new Error("enough"));
    };
    expect(await rejection(server.start({ signal: controller.signal, intervalMs: 5, onProgress }))).toHaveProperty("message", "enough");
    expect(await isAlive(server.pid!)).toBe(false);
  });

  test("is not even started with a signal that has been aborted", async () => {
    await using prepared = await prepare();
    expect(await rejection(prepared.server.start({ signal: AbortSignal.abort(new Error("before")) }))).toHaveProperty("message", "before");
    expect(prepared.server.pid).toBeUndefined();
  });

  test("is started once: a second start is refused and disturbs nothing", async () => {
    await using prepared = await prepare();
    const { server } = prepared;
    const first = server.start({ intervalMs: 5 });
    expect(await rejection(server.start())).toMatchObject({
      code: "server_error-process_error",
      args: { var_0: expect.stringContaining("starting") },
    });
    await first;
    expect(await rejection(server.start())).toHaveProperty("code", "server_error-process_error");
    expect(await server.props()).toHaveProperty("build_info", "fake");
    await server.stop();
    expect(await rejection(server.start())).toHaveProperty("code", "server_error-process_error");
  });

  test("may be stopped twice, at once, and before it was started", async () => {
    await using prepared = await prepare();
    const { server } = prepared;
    await server.start({ intervalMs: 5 });
    const exit = { code: 0, signal: null };
    expect(await Promise.all([server.stop(), server.stop()])).toEqual([exit, exit]);
    expect(await server.stop()).toEqual(exit);
    await using idle = await prepare();
    expect(await idle.server.stop()).toBeUndefined();
    expect(idle.server.state).toBe("stopped");
  });

  test("may be stopped while it starts: the start rejects and the process is gone", async () => {
    for (const waitForChild of [true, false]) {
      await using prepared = await prepare({ unavailableProbes: -1 });
      const { server } = prepared;
      const started = rejection(server.start({ intervalMs: 5 }));
      if (waitForChild) await until("the process is there", () => server.pid);
      await server.stop();
      expect(await started).toMatchObject({ code: "server_error-process_error", args: { var_0: "it was stopped before it was ready" } });
      expect(server.state).toBe("stopped");
      if (server.pid !== undefined) expect(await isAlive(server.pid)).toBe(false);
    }
  });

  test("that ignores SIGTERM is killed after the grace, at once without one, and at once when the grace is aborted", async () => {
    const killed = { code: null, signal: "SIGKILL" } as const;
    for (const speaksProtocol of [true, false]) {
      const stubborn = { ignoresSigterm: true, speaksProtocol };
      await using patient = await prepare(stubborn);
      await patient.server.start({ intervalMs: 5 });
      expect(await patient.server.stop({ graceMs: 30 })).toEqual(killed);
      await using hasty = await prepare(stubborn);
      await hasty.server.start({ intervalMs: 5 });
      expect(await hasty.server.stop({ graceMs: 0 })).toEqual(killed);
      await using aborted = await prepare(stubborn);
      await aborted.server.start({ intervalMs: 5 });
      const controller = new AbortController();
      const stopped = aborted.server.stop({ graceMs: 600_000, signal: controller.signal });
      controller.abort();
      expect(await stopped).toEqual(killed);
    }
  });

  test("that dies by itself is noticed: the state, the exit and the error of the next request tell", async () => {
    await using prepared = await prepare();
    const { server } = prepared;
    await server.start({ intervalMs: 5 });
    process.kill(server.pid!, "SIGKILL");
    expect(await server.exited).toEqual({ code: null, signal: "SIGKILL" });
    expect(server.state).toBe("failed");
    const error = await rejection(server.props());
    expect(error).toMatchObject({
      code: "server_error-server_not_ready",
      status: 503,
      cause: { args: { var_0: expect.stringContaining("SIGKILL") } },
    });
    expect(await server.stop()).toEqual({ code: null, signal: "SIGKILL" });
  });

  test("refuses requests before it is ready, but tells its health while it starts", async () => {
    await using prepared = await prepare({ unavailableProbes: -1 });
    const { server } = prepared;
    expect(await rejection(server.health())).toHaveProperty("code", "server_error-server_not_ready");
    const started = rejection(server.start({ intervalMs: 5 }));
    const loading = await until("it answers 503", async () => await server.health().catch(() => undefined));
    expect(loading).toMatchObject({ status: "loading", httpStatus: 503 });
    expect(await rejection(server.chatCompletions({ messages: [] }))).toHaveProperty("code", "server_error-server_not_ready");
    await server.stop();
    await started;
  });

  test("prints its lines to listeners and to readers of the log, until it is gone", async () => {
    await using prepared = await prepare({ stderr: ["a warning"], stdout: ["plain"], speaksProtocol: true });
    const { server } = prepared;
    const heard: string[] = [];
    server.on("stdout", (line) => heard.push(line));
    server.on("stderr", (line) => heard.push(line));
    const collected = Array.fromAsync(server.logs());
    await server.start({ intervalMs: 5 });
    await server.stop();
    expect(heard.sort()).toEqual(["a warning", "plain"]);
    expect((await collected).map(({ stream }) => stream).sort()).toEqual(["stderr", "stdout"]);
  });

  test("whose model or program is missing is not started, and the cache folder is not shown", async () => {
    await using engine = await makeFakeEngine();
    const options = { alias: "a", executable: engine.executable };
    const model = "/home/me/.cache/huggingface/hub/a.gguf";
    expect(await rejection(createLlamaServer({ ...options, model }))).toMatchObject({
      code: "server_error-model_not_found",
      message: "Model file does not exist: $HF_HOME/hub/a.gguf.",
    });
    expect(await rejection(createLlamaServer({ ...options, model: engine.lookupPath }))).toHaveProperty(
      "code",
      "server_error-model_not_found",
    );
    expect(await rejection(createLlamaServer({ ...options, model: engine.model, executable: "/no/such" }))).toMatchObject({
      code: "context_error-exec_not_exists",
      args: { var_0: "/no/such" },
    });
  });

  test("on a port that is taken is not started, and the other program is named", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    try {
      await using prepared = await prepare({}, { port });
      const error = await rejection(prepared.server.start());
      expect(error).toMatchObject({ code: "server_error-startup_error", reason: "port_taken" });
      expect(error.message).toContain(`port ${port}`);
      expect(prepared.server.pid).toBeUndefined();
    } finally {
      await new Promise((resolve) => other.close(resolve));
    }
  });

  test("is found in a folder of builds, which goes with its fixture", async () => {
    const engine = await makeFakeEngine();
    expect(await resolveExecutable({ lookupPath: engine.lookupPath })).toBe(engine.executable);
    await engine[Symbol.asyncDispose]();
    expect(existsSync(engine.lookupPath)).toBe(false);
  });
});

test.skipIf(process.platform === "win32")(
  "what a killed program has left behind is ended by the next one, and nothing else is",
  async () => {
    await using folder = await temporaryFolder();
    await using engine = await makeFakeEngine({ ignoresEndOfInput: true });
    const options = { alias: "a", executable: engine.executable, model: engine.model, recordsDir: folder.path };
    const program = `
    import { createLlamaServer } from ${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)};
    const server = await createLlamaServer(${JSON.stringify(options)});
    await server.start({ intervalMs: 5 });
    process.stdout.write(String(server.pid));`;
    const parent = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
    const [said] = (await once(parent.stdout, "data")) as [Buffer];
    const left = Number(said.toString());
    parent.kill("SIGKILL");
    await once(parent, "exit");
    expect(await isAlive(left)).toBe(true);

    await using mine = await createLlamaServer(options);
    await mine.start({ intervalMs: 5 });
    expect(await endLeftovers(folder.path)).toEqual([engine.executable]);
    expect([await isAlive(left), await isAlive(mine.pid!)]).toEqual([false, true]);
    expect(await endLeftovers(folder.path)).toEqual([]);
  },
);
