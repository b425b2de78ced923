import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { processIdentity } from "../../src/platform/index.ts";
import {
  createWorkspace,
  describeWithEachEngine,
  HELP_VARIABLE,
  isAlive,
  makeMisbehavingEngine,
  makeModels,
  runCommand,
  startLemonade,
  until,
} from "../fixtures/index.ts";

const DEAF = { ignoresExitLine: true, ignoresEndOfInput: true, ignoresSigterm: true } as const;

describeWithEachEngine("a server that is killed", (engine) => {
  test("takes its engines with it, even one at work", async () => {
    await using workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "models"), ["endless"]);
    await using server = await startLemonade({
      engine,
      workspace,
      flags: [...models.flags, "--max-loaded-models", "2", "--ctx-size", "200000"],
    });
    await server.post("/api/v1/load", { model_name: "tiny" });
    const messages = [{ role: "user", content: "hi" }];
    const response = await server.post("/v1/chat/completions", { model: "endless", messages, stream: true, max_tokens: -1 });
    await response.body!.getReader().read();
    expect((await workspace.processes()).length).toBeGreaterThanOrEqual(3);
    await server.kill();
    await workspace.quiet();
  });
});

describe("what a killed server leaves behind", () => {
  test("an engine that does not notice is ended by the next start, with all that it has forked", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{ ...DEAF, forks: true }, {}]);
    await using killed = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    await killed.post("/api/v1/load", { model_name: "tiny" });
    await killed.kill();
    const [{ pid }, forked] = [await engine.noted("start"), await engine.noted("forked")];
    expect((await engine.noted("asked to end")).how).toBe("end of input");
    expect([await isAlive(pid), await isAlive(forked.pid)]).toEqual([true, true]);

    await using next = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    expect([await isAlive(pid), await isAlive(forked.pid)]).toEqual([false, false]);
    expect(next.log()).toContain("left over by a killed server");
    expect((await next.post("/api/v1/load", { model_name: "tiny" })).status).toBe(200);
  });

  test.each(["forks", "forksAway"] as const)("is ended by the next start when only what it %s is left", async (how) => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{ [how]: true }, {}]);
    await using killed = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    await killed.post("/api/v1/load", { model_name: "tiny" });
    await killed.kill();
    const [{ pid }, forked] = [await engine.noted("start"), await engine.noted("forked")];
    await until("the engine itself has ended", async () => !(await isAlive(pid)));
    expect(await isAlive(forked.pid)).toBe(true);

    await using next = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    expect(await isAlive(forked.pid)).toBe(false);
    expect(next.log()).toContain("left over by a killed server");
  });

  test("is nothing where an old build of llama-server does not look at its input: a shell ends it", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{ ignoresExitLine: true, ignoresEndOfInput: true }]);
    const help = ["-m, --model FNAME", "--host HOST", "--port PORT"].join("\n");
    await using server = await startLemonade({ workspace, flags: engine.flags, env: { ...engine.env, [HELP_VARIABLE]: help } });
    expect((await server.post("/api/v1/load", { model_name: "tiny" })).status).toBe(200);
    await server.kill();
    await workspace.quiet();
    expect((await engine.journal("asked to end")).at(-1)?.how).toBe("SIGTERM");
  });

  test("is ended by `lemonade stop`, too", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [DEAF]);
    await using killed = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    await killed.post("/api/v1/load", { model_name: "tiny" });
    await killed.kill();
    expect((await workspace.processes()).length).toBe(1);
    const { code, stdout } = await runCommand(["stop"], { workspace });
    expect({ code, stdout }).toEqual({ code: 0, stdout: "Lemonade Server is not running\n\n" });
    expect(await workspace.processes()).toEqual([]);
  });

  test("does not count as a running server", async () => {
    await using workspace = await createWorkspace();
    await using killed = await startLemonade({ workspace });
    await killed.kill();
    expect(existsSync(join(workspace.cacheDir, "run", "server.json"))).toBe(true);
    expect((await runCommand(["status"], { workspace })).stdout).toBe("Server is not running\n");
    await using next = await startLemonade({ workspace });
    expect((await runCommand(["status"], { workspace })).stdout).toBe(`Server is running on port ${next.port}\n`);
  });

  test("never costs a stranger its life: a pid that was given again has another start time", async () => {
    await using workspace = await createWorkspace();
    const folder = join(workspace.cacheDir, "run", "children");
    await mkdir(folder, { recursive: true });
    const stranger = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], {
      env: workspace.env,
      detached: true,
      stdio: "ignore",
    });
    const gone = { parentPid: 2 ** 30, parentIdentity: "long ago" };
    const record = { pid: stranger.pid, identity: `${await processIdentity(stranger.pid!)}0`, ...gone, command: "llama-server" };
    await writeFile(join(folder, `${stranger.pid}.json`), JSON.stringify(record));
    await writeFile(join(folder, "7.json"), "no record of ours");

    await using server = await startLemonade({ workspace });
    expect(await isAlive(stranger.pid!)).toBe(true);
    expect(await readdir(folder)).toEqual([]);
    expect(server.log()).not.toContain("left over");
    stranger.kill("SIGKILL");
    await new Promise((resolve) => stranger.once("exit", resolve));
  });

  test("is told apart from the engine of a server that lives", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{}]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    await server.post("/api/v1/load", { model_name: "tiny" });
    const { pid } = await server.model("tiny");
    expect((await runCommand(["serve", "--port", "0"], { workspace })).code).toBe(2);
    expect((await server.model("tiny")).pid).toBe(pid);
    expect(await isAlive(pid)).toBe(true);
  });
});
