import { expect, test } from "bun:test";
import { connect } from "node:net";
import { createWorkspace, makeMisbehavingEngine, startLemonade, until } from "../fixtures/index.ts";

test("three hundred requests that wait for an answer do not keep another one from the engine", async () => {
  await using workspace = await createWorkspace();
  const silence = Array.from({ length: 300 }, () => ({ kind: "silence" }) as const);
  const engine = await makeMisbehavingEngine(workspace, [{ answers: [...silence, { kind: "echo" }] }]);
  await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
  const body = '{"model":"tiny","messages":[]}';
  // Bare sockets: the fetch of this process has a limit of its own.
  const sockets = silence.map(() => connect(server.port, "127.0.0.1"));
  for (const socket of sockets) {
    socket.on("error", () => {});
    socket.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  }
  await until("all of them are at the engine", async () => (await engine.journal("request")).length === silence.length);
  expect((await server.post("/v1/chat/completions", body)).status).toBe(200);
  for (const socket of sockets) socket.destroy();
});
