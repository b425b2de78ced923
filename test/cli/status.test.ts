import { expect, test } from "bun:test";
import { createWorkspace, makeMisbehavingEngine, runCommand, startLemonade } from "../fixtures/index.ts";

test("status tells the port of a running server, whichever it is, and nothing else", async () => {
  await using workspace = await createWorkspace();
  const status = async () => await runCommand(["status"], { workspace });
  const answer = (stdout: string) => ({ code: 0, signal: null, stdout, stderr: "" });
  expect(await status()).toEqual(answer("Server is not running\n"));
  await using server = await startLemonade({ workspace });
  expect(await status()).toEqual(answer(`Server is running on port ${server.port}\n`));
  expect(await runCommand(["stop"], { workspace })).toEqual(answer("Lemonade Server stopped successfully.\n"));
  expect(await status()).toEqual(answer("Server is not running\n"));
});

test("status --json tells what the server says of itself", async () => {
  await using workspace = await createWorkspace();
  const engine = await makeMisbehavingEngine(workspace, [{}]);
  const status = async () => JSON.parse((await runCommand(["status", "--json"], { workspace })).stdout) as unknown;
  expect(await status()).toEqual({ running: false });
  await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
  await server.post("/api/v1/load", { model_name: "tiny" });
  expect(await status()).toMatchObject({ running: true, pid: server.pid, port: server.port, health: { model_loaded: "tiny" } });
});

test("status does not wait for a server that does not answer", async () => {
  await using workspace = await createWorkspace();
  await using server = await startLemonade({ workspace });
  server.signal("SIGSTOP");
  try {
    expect((await runCommand(["status"], { workspace })).stdout).toBe(`Server is running on port ${server.port}\n`);
  } finally {
    server.signal("SIGCONT");
  }
});
