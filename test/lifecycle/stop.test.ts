import { describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { createWorkspace, describeWithEachEngine, makeMisbehavingEngine, runCommand, startLemonade } from "../fixtures/index.ts";

const STOPPED = { code: 0, signal: null, stdout: "Lemonade Server stopped successfully.\n", stderr: "" } as const;

describeWithEachEngine("stop", (engine) => {
  test("frees the port and ends every engine before it returns", async () => {
    await using workspace = await createWorkspace();
    await using server = await startLemonade({ engine, workspace });
    await server.post("/api/v1/load", { model_name: "tiny" });
    expect(await runCommand(["stop"], { workspace })).toEqual(STOPPED);
    expect(await workspace.processes()).toEqual([]);
    const next = createServer();
    await new Promise<void>((resolve, reject) => next.once("error", reject).listen(server.port, "127.0.0.1", resolve));
    await new Promise((resolve) => next.close(resolve));
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });
});

describe("stop", () => {
  test("says so when nothing runs", async () => {
    await using workspace = await createWorkspace();
    expect(await runCommand(["stop"], { workspace })).toEqual({ ...STOPPED, stdout: "Lemonade Server is not running\n\n" });
  });

  test("does not fear an engine that will not end", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [
      { ignoresExitLine: true, ignoresEndOfInput: true, ignoresSigterm: true, forks: true },
    ]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    await server.post("/api/v1/load", { model_name: "tiny" });
    expect(await runCommand(["stop"], { workspace })).toEqual(STOPPED);
    expect(await workspace.processes()).toEqual([]);
  });

  test("twice at once is stopped twice", async () => {
    await using workspace = await createWorkspace();
    await using server = await startLemonade({ workspace });
    const results = await Promise.all([runCommand(["stop"], { workspace }), runCommand(["stop"], { workspace })]);
    for (const { code } of results) expect(code).toBe(0);
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });
});
