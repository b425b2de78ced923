import { expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createWorkspace, makeMisbehavingEngine, startLemonade } from "../fixtures/index.ts";

test("an engine that is loading a model is not removed", async () => {
  await using workspace = await createWorkspace();
  const engine = await makeMisbehavingEngine(workspace, (gatePath) => [{ gate: gatePath("load") }]);
  const binDir = join(workspace.folder, "bin");
  const folder = join(binDir, "llamacpp", "from-source");
  await mkdir(folder, { recursive: true });
  await engine.installAt(join(folder, "llama-server"));
  const env = { ...engine.env, LEMONADE_BIN_DIR: binDir };
  await using server = await startLemonade({ workspace, env, flags: ["--llamacpp", "from-source"] });
  const load = server.post("/api/v1/load", { model_name: "tiny" });
  await engine.noted("start");
  const refused = await server.post("/api/v1/uninstall", { backend: "llamacpp:from-source" });
  expect(refused.status).toBe(409);
  expect(await refused.json()).toMatchObject({ error: { code: "backend_in_use" } });
  await engine.openGate("load");
  expect((await load).status).toBe(200);
});
