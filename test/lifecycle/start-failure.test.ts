import { describe, expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildTinyModel } from "../../src/model/tiny/index.ts";
import {
  createWorkspace,
  describeWithEachEngine,
  makeMisbehavingEngine,
  startLemonade,
  type Engine,
  type Lemonade,
  type Life,
  type Workspace,
} from "../fixtures/index.ts";

interface Failure {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

async function failureOf(server: Lemonade, model: string): Promise<Failure> {
  const messages = [{ role: "user", content: "hi" }];
  const response = await server.post("/v1/chat/completions", { model, messages, stream: true });
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  // Whoever looks later learns why, too.
  expect(await server.models()).toEqual([expect.objectContaining({ model_name: model, state: "failed", pid: null })]);
  return { status: response.status, ...error };
}

describeWithEachEngine("a file that cannot be loaded", (engine) => {
  const serveFile = async (workspace: Workspace, bytes: Uint8Array | string, use: Engine) => {
    const folder = join(workspace.folder, "models");
    await mkdir(folder);
    await writeFile(join(folder, "bad.gguf"), bytes);
    return await startLemonade({ engine: use, workspace, flags: ["--models-dir", folder] });
  };

  test("is told as what it is: no GGUF at all", async () => {
    await using workspace = await createWorkspace();
    await using server = await serveFile(workspace, "<html>404 Not Found</html>", engine);
    const { status, code, message } = await failureOf(server, "bad");
    expect({ status, code: ["model_load_failed", "not_a_gguf"].includes(code) }).toEqual({ status: 422, code: true });
    expect(message).toMatch(/GGUF/);
    expect(await workspace.processes()).toHaveLength(1);
  });

  test("is told as what it is: cut off", async () => {
    await using workspace = await createWorkspace();
    const whole = buildTinyModel();
    await using server = await serveFile(workspace, whole.subarray(0, whole.length / 2), engine);
    const { status, message } = await failureOf(server, "bad");
    expect(status).toBe(422);
    expect(message).toContain("cut off");
  });

  test("costs no loaded model its place", async () => {
    await using workspace = await createWorkspace();
    await using server = await serveFile(workspace, "<html>404 Not Found</html>", engine);
    await server.post("/api/v1/load", { model_name: "tiny" });
    const before = await server.models();
    expect((await server.post("/api/v1/load", { model_name: "bad" })).status).toBe(422);
    // The memory that an engine holds drifts by itself.
    const resident = (await server.models()).filter(({ model_name: name }) => name !== "bad");
    expect(resident).toEqual(before.map((model) => ({ ...model, memory_bytes: expect.any(Number) })));
  });

  test("is told as what it is: an architecture that nobody knows", async () => {
    await using workspace = await createWorkspace();
    const model = Buffer.from(buildTinyModel());
    // The value of general.architecture: as long as the true one, so that nothing else moves.
    const at = model.indexOf("llama", model.indexOf("general.architecture"));
    model.write("lemon", at);
    await using server = await serveFile(workspace, model, engine);
    const { status, message } = await failureOf(server, "bad");
    expect(status).toBe(422);
    expect(message).toContain("architecture");
  });
});

describe("an engine that does not start", () => {
  const failWith = async (life: Life, flags: readonly string[] = []) => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [life]);
    await using server = await startLemonade({ workspace, flags: [...engine.flags, ...flags], env: engine.env });
    return { ...(await failureOf(server, "tiny")), starts: await engine.journal("start") };
  };

  test.each([
    [
      "a shared library is missing",
      "model_load_failed",
      "llama-server: error while loading shared libraries: libcudart.so.12: cannot open shared object file",
    ],
    ["not enough memory", "out_of_memory", "ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 64424509440"],
    ["argument", "model_load_failed", "error: invalid argument: --flash"],
    ["driver is too old", "model_load_failed", "vk::PhysicalDevice::createDevice: ErrorExtensionNotPresent"],
    ["exit code 1", "model_load_failed", "something that nobody has seen before"],
  ])("is told with the cause (%s) and its last lines", async (cause, expected, line) => {
    const { status, code, message, starts } = await failWith({ says: ["an early line", line], exitsWith: 1 });
    expect({ status, code }).toEqual({ status: 422, code: expected });
    expect(message).toContain(cause);
    expect(message).toContain(line);
    // On the GPU and then on the CPU.
    expect(starts.length).toBe(2);
  });

  test("because its port was taken meanwhile gets another one, and nobody notices", async () => {
    await using workspace = await createWorkspace();
    const line = "main: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 1";
    const engine = await makeMisbehavingEngine(workspace, [{ says: [line], exitsWith: 1 }, {}]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    expect((await server.post("/api/v1/load", { model_name: "tiny" })).status).toBe(200);
    const [first, second] = await engine.journal("start");
    const portOf = (args: readonly string[]) => args[args.indexOf("--port") + 1];
    expect(portOf(second!.args)).not.toBe(portOf(first!.args));
    expect((await server.model("tiny")).notes).toEqual([]);
  });

  test("because it can never bind is given up with that cause", async () => {
    const { status, message } = await failWith({ says: ["couldn't bind HTTP server socket"], exitsWith: 1 });
    expect(status).toBe(422);
    expect(message).toContain("port was taken");
  });

  test("is not there at all", async () => {
    await using server = await startLemonade({ flags: ["--llamacpp-bin", "/nowhere/llama-server"] });
    const { status, code, message } = await failureOf(server, "tiny");
    expect({ status, code }).toEqual({ status: 422, code: "backend_not_installed" });
    expect(message).toContain("/nowhere/llama-server");
    expect(message).toContain("--llamacpp-bin");
  });

  test("is tried again by the next request", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{ exitsWith: 1 }, { exitsWith: 1 }, {}]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    expect((await failureOf(server, "tiny")).status).toBe(422);
    expect((await server.post("/api/v1/load", { model_name: "tiny" })).status).toBe(200);
  });
});

describeWithEachEngine("engine arguments", (engine) => {
  const flagsWith = (args: string) => ["--llamacpp-args", `${engine === "llamacpp" ? "--threads 1 " : ""}${args}`];

  test.each([
    ["--no-such-flag", "--no-such-flag"],
    ["--port 1", "--port"],
    ["-m other.gguf", "-m"],
  ])("that the engine does not know or that are ours are refused before it starts: %s", async (args, named) => {
    await using server = await startLemonade({ engine, flags: flagsWith(args) });
    const { status, code, message } = await failureOf(server, "tiny");
    expect({ status, code }).toEqual({ status: 422, code: "config_invalid" });
    expect(message).toMatch(new RegExp(`argument:? ${named}\\b`));
  });

  test("of the command and then of the load reach it, after those of lemonade", async () => {
    await using server = await startLemonade({ engine, flags: [...flagsWith("--top-k 7"), "--log-level", "debug"] });
    expect((await server.post("/api/v1/load", { model_name: "tiny", llamacpp_args: "--top-p 0.5" })).status).toBe(200);
    expect(server.log()).toMatch(/starting .* --port \d+ .*--top-k 7 --top-p 0\.5\n/);
  });
});

describe("a GPU that does not work", () => {
  test("costs one start: the model runs on the CPU, and everybody is told", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{ needsCpu: true }]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    expect((await server.post("/api/v1/load", { model_name: "tiny" })).status).toBe(200);
    const layers = (await engine.journal("start")).map(({ args }) => args[args.indexOf("-ngl") + 1]);
    expect(layers).toEqual(["99", "0"]);
    expect((await server.model("tiny")).notes).toEqual([expect.stringContaining("runs on the CPU")]);
    expect(server.log()).toContain("runs on the CPU now");
  });

  test("is an error where no second try is wanted", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{ needsCpu: true }]);
    await using server = await startLemonade({
      workspace,
      flags: engine.flags,
      env: { ...engine.env, LEMONADE_LLAMACPP_NO_FALLBACK: "1" },
    });
    const { status, message } = await failureOf(server, "tiny");
    expect(status).toBe(422);
    expect(message).toContain("no usable device found");
    expect(await engine.journal("start")).toHaveLength(1);
  });
});
