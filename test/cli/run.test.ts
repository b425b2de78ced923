import { describe, expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { TINY_SENTENCE } from "../../src/model/tiny/index.ts";
import {
  createWorkspace,
  describeWithEachEngine,
  engineFlags,
  makeMisbehavingEngine,
  makeModels,
  makeShards,
  runCommand,
  startCommand,
  startLemonade,
  until,
  type Workspace,
} from "../fixtures/index.ts";

const SENTENCE = `${TINY_SENTENCE}\n`;
const portOf = async (workspace: Workspace) => {
  const { stdout } = await runCommand(["status"], { workspace });
  return Number(/^Server is running on port (\d+)$/m.exec(stdout)?.[1]);
};
/** Ends the server that a `run` has left in the background. */
const stopIn = async (workspace: Workspace) => {
  expect((await runCommand(["stop"], { workspace })).stdout).toBe("Lemonade Server stopped successfully.\n");
  expect(await workspace.processes()).toEqual([]);
};

describeWithEachEngine("run", (engine) => {
  const words = (model: string, ...further: string[]) => ["run", model, "--port", "0", ...engineFlags(engine), ...further];

  test("answers a prompt and leaves the server to the next one", async () => {
    await using workspace = await createWorkspace();
    const first = await runCommand(words("tiny", "--prompt", "hi"), { workspace });
    expect({ code: first.code, stdout: first.stdout }).toEqual({ code: 0, stdout: SENTENCE });
    const port = await portOf(workspace);
    expect(first.stderr).toContain(`http://localhost:${port}`);
    expect(first.stderr).toContain("lemonade stop");
    const second = await runCommand(["run", "tiny", "--prompt", "-"], { workspace, input: "hi" });
    expect({ code: second.code, stdout: second.stdout }).toEqual({ code: 0, stdout: SENTENCE });
    expect(await portOf(workspace)).toBe(port);
    await stopIn(workspace);
  });

  test("takes the path of a file, of a shard and of a folder of shards, relative or not", async () => {
    await using workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "models"), ["plain"]);
    const shard = await makeShards(join(workspace.folder, "sharded"), "plain");
    const elsewhere = join(workspace.folder, "elsewhere");
    await mkdir(elsewhere);
    const paths = [models.path("plain"), "../models/plain.gguf", shard, dirname(shard), "../sharded", `../sharded/${basename(shard)}`];
    for (const path of paths) {
      const { code, stdout, stderr } = await runCommand(words(path, "--prompt", "hi"), { workspace, cwd: elsewhere });
      expect({ path, code, stdout, stderr: code === 0 ? "" : stderr }).toEqual({ path, code: 0, stdout: SENTENCE, stderr: "" });
    }
    const bare = await runCommand(["run", "sharded", "--prompt", "hi"], { workspace });
    expect({ code: bare.code, stdout: bare.stdout }).toEqual({ code: 0, stdout: SENTENCE });
    await stopIn(workspace);
  });
});

describe("run without a terminal", () => {
  test("stays with the server that it has started, and ends it when it is interrupted", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{}]);
    const { child, result } = startCommand(["run", "tiny", "--port", "0", ...engine.flags], { workspace, env: engine.env });
    let shown = "";
    child.stdout?.on("data", (chunk: Buffer) => void (shown += chunk.toString()));
    await until("it prints the address", () => shown.includes("#llm-chat"));
    const port = await portOf(workspace);
    expect(shown).toBe(`You can now chat with tiny at http://localhost:${port}/?model=tiny#llm-chat\n`);
    const health = (await (await fetch(`http://127.0.0.1:${port}/api/v1/health`)).json()) as { model_loaded: string };
    expect(health.model_loaded).toBe("tiny");
    child.kill("SIGINT");
    const { code, stderr } = await result;
    expect(code).toBe(0);
    expect(stderr).not.toBe("");
    expect(await workspace.processes()).toEqual([]);
  });

  test("ends when its server is stopped", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{}]);
    const { result } = startCommand(["run", "tiny", "--port", "0", ...engine.flags], { workspace, env: engine.env });
    await engine.noted("ready");
    await runCommand(["stop"], { workspace });
    expect((await result).signal).toBeNull();
    expect(await workspace.processes()).toEqual([]);
  });

  test("loads the model in a running server and returns", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{}]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    const { code, stdout } = await runCommand(["run", "tiny"], { workspace });
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `You can now chat with tiny at http://localhost:${server.port}/?model=tiny#llm-chat\n`,
    });
    expect((await server.model("tiny")).state).toBe("ready");
  });
});

describe("run that fails", () => {
  test("says which model there is not, and leaves no server behind", async () => {
    await using workspace = await createWorkspace();
    const { code, stdout, stderr } = await runCommand(["run", "tinny", "--port", "0", "--prompt", "hi"], { workspace });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain('There is no model named "tinny"');
    expect(stderr).toContain("tiny?");
    expect(await workspace.processes()).toEqual([]);
  });

  test("says why the engine did not start, and leaves no server behind", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{ says: ["unable to allocate CPU buffer"], exitsWith: 1 }]);
    const { code, stderr } = await runCommand(["run", "tiny", "--port", "0", ...engine.flags], { workspace, env: engine.env });
    expect(code).toBe(1);
    expect(stderr).toContain("not enough memory");
    expect(await workspace.processes()).toEqual([]);
  });

  test("leaves a server that it has not started alone", async () => {
    await using workspace = await createWorkspace();
    await using server = await startLemonade({ workspace });
    expect((await runCommand(["run", "tinny", "--prompt", "hi"], { workspace })).code).toBe(1);
    expect((await server.fetch("/live")).status).toBe(200);
  });

  test("says what is in the way of the server", async () => {
    await using other = await startLemonade();
    await using workspace = await createWorkspace();
    const { code, stderr } = await runCommand(["run", "tiny", "--port", String(other.port)], { workspace });
    expect(code).toBe(1);
    expect(stderr).toContain(`Port ${other.port} is taken by process ${other.pid}`);
  });

  test("because it is interrupted while the model loads leaves nothing behind", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, (gatePath) => [{ gate: gatePath("never") }]);
    const { child, result } = startCommand(["run", "tiny", "--port", "0", ...engine.flags], { workspace, env: engine.env });
    await engine.noted("start");
    child.kill("SIGINT");
    expect((await result).code).toBe(130);
    expect(await workspace.processes()).toEqual([]);
  });

  test("in the middle of its answer says so and ends with code 1", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, (gatePath) => [
      { answers: [{ kind: "crash in the middle", gate: gatePath("crash") }] },
    ]);
    await using _server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    const { child, result } = startCommand(["run", "tiny", "--prompt", "hi"], { workspace });
    child.stdout?.once("data", () => void engine.openGate("crash"));
    const { code, stdout, stderr } = await result;
    expect({ code, stdout: stdout.trim() }).toEqual({ code: 1, stdout: "word0" });
    expect(stderr).toContain("ended unexpectedly");
  });
});

test("a folder that happens to have a model's name does not hide the model", async () => {
  await using workspace = await createWorkspace();
  const engine = await makeMisbehavingEngine(workspace, [{}]);
  await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
  await mkdir(join(workspace.folder, "tiny"));
  expect((await runCommand(["run", "tiny"], { workspace })).code).toBe(0);
  expect((await server.models()).map(({ model_name }) => model_name)).toEqual(["tiny"]);
});
