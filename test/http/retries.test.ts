import { expect, test } from "bun:test";
import { createWorkspace, makeMisbehavingEngine, startLemonade } from "../fixtures/index.ts";

test("an engine that has failed at a request is not asked again; one that is not ready, or has died, may be", async () => {
  await using workspace = await createWorkspace();
  const failing = [500, 501, 503].map((status) => ({ kind: "status", status, body: '{"error":{"message":"no"}}' }) as const);
  const engine = await makeMisbehavingEngine(workspace, [{ answers: [...failing, { kind: "crash" }] }, { answers: [{ kind: "crash" }] }]);
  await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
  const answers = [];
  for (let i = 0; i < 4; i++) {
    const { status, headers } = await server.post("/v1/chat/completions", { model: "tiny", messages: [] });
    answers.push([status, headers.get("x-should-retry")]);
  }
  expect(answers).toEqual([
    [500, "false"],
    [501, "false"],
    [503, null],
    [502, "true"],
  ]);
});

test("a page can read it, too", async () => {
  await using server = await startLemonade();
  const { headers } = await server.fetch("/v1/models/no-such-model", { headers: { origin: "http://localhost:3000" } });
  expect(headers.get("x-should-retry")).toBe("false");
  expect(headers.get("access-control-expose-headers")).toContain("x-should-retry");
});
