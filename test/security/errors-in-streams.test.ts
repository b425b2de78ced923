import { expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildTinyModel } from "../../src/model/tiny/index.ts";
import { createWorkspace, runCommand, startLemonade } from "../fixtures/index.ts";
import { Hub } from "../fixtures/hub/index.ts";

test("an error that ends a stream shows paths only to who administers the server", async () => {
  await using hub = await Hub.start();
  await using workspace = await createWorkspace();
  hub.add("tester/tiny-GGUF", { files: { "tiny-Q4_0.gguf": buildTinyModel() } });
  const repository = join(workspace.folder, "huggingface", "hub", "models--tester--tiny-GGUF");
  await mkdir(repository, { recursive: true });
  await writeFile(join(repository, "blobs"), "A file where a folder should be");
  const keyWith = async (scopes: string) =>
    (await runCommand(["keys", "add", `for-${scopes}`, "--scopes", scopes], { workspace })).stdout.trim();
  const manage = await keyWith("manage");
  const admin = await keyWith("manage,admin");
  await using server = await startLemonade({ workspace, env: { HF_ENDPOINT: hub.endpoint } });
  const pull = async (key: string) => {
    const headers = { "x-api-key": key, "content-type": "application/json" };
    return await (await server.post("/api/v1/pull", { model_name: "tester/tiny-GGUF:Q4_0", stream: true }, { headers })).text();
  };
  expect(await pull(admin)).toContain(repository);
  const redacted = await pull(manage);
  expect(redacted).toContain("event: error\n");
  expect(redacted).not.toContain(workspace.folder);
});
