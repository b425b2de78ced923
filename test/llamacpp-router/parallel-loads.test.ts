import { expect, test } from "bun:test";
import { join } from "node:path";
import { createWorkspace, makeMisbehavingEngine, makeModels, startLemonade } from "../fixtures/index.ts";

test("of many loads of one model by hand at the same time one begins, in the place of another model, and the others are refused", async () => {
  await using workspace = await createWorkspace();
  const models = await makeModels(join(workspace.folder, "models"), ["plain", "other"]);
  const engine = await makeMisbehavingEngine(workspace, (gatePath) => [{}, { gate: gatePath("plain") }]);
  const flags = [...engine.flags, ...models.flags, "--models-max", "1"];
  await using server = await startLemonade({ workspace, flags, env: engine.env });
  expect((await server.post("/api/v1/load", { model_name: "other" })).status).toBe(200);
  const answers = await Promise.all([1, 2, 3, 4].map(async () => await server.post("/models/load", { model: "plain" })));
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 400, 400, 400]);
  const refusal = await answers.find(({ status }) => status === 400)?.json();
  expect(refusal).toMatchObject({ error: { message: "model is already running" } });
  await engine.openGate("plain");
  expect((await server.post("/v1/chat/completions", { model: "plain", messages: [] })).status).toBe(200);
  expect(await engine.journal("start")).toHaveLength(2);
  expect((await server.models()).map(({ model_name }) => model_name)).toEqual(["plain"]);
});
