import { expect, test } from "bun:test";
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createWorkspace, describeWith, makeModels, runCommand, startLemonade } from "../fixtures/index.ts";

const ANSWERS = [
  "/v1/models",
  "/v1/models?show_all=true",
  "/api/v1/models?show_all=true",
  "/v1/models/plain?details=true",
  "/models",
  "/api/v1/health",
  "/health",
  "/v1/stats",
  "/api/v1/system-info?verbose=true&complete=true",
  "/props",
  "/props?model=plain",
  "/slots?model=plain",
  "/lora-adapters?model=plain",
  "/",
];

describeWith("llamacpp", "folders of this machine", (engine) => {
  test("are shown to its administrator only: everyone else sees the names of files", async () => {
    await using workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "my models"), ["plain"]);
    const byPath = join(workspace.folder, "by path.gguf");
    await copyFile(models.path("plain"), byPath);
    const page = join(workspace.folder, "page");
    await makeModels(page, []);
    await writeFile(join(page, "webapp.html"), "{{SERVER_MODELS_JS}}");
    const keys: Record<string, string> = {};
    for (const scopes of ["infer", "infer,manage", "infer,manage,admin"]) {
      keys[scopes] = (await runCommand(["keys", "add", scopes.replaceAll(",", "-"), "--scopes", scopes], { workspace })).stdout.trim();
    }
    const flags = [...models.flags, "--webapp-dir", page, "--max-loaded-models", "2"];
    await using server = await startLemonade({ engine, workspace, flags });
    const as = (scopes: string): RequestInit => ({ headers: { authorization: `Bearer ${keys[scopes]}` } });
    const manager = as("infer,manage");
    // An answer of a model that was loaded by its path makes its name one of the statistics.
    for (const model of ["plain", byPath]) {
      expect(await (await server.post("/v1/load", { model_name: model }, manager)).json()).toMatchObject({
        checkpoint: expect.stringMatching(/^…\/(plain|by path)\.gguf$/),
      });
      expect((await server.post("/v1/completions", { model, prompt: "a", max_tokens: 1 }, manager)).status).toBe(200);
    }
    const left = new AbortController();
    const events = await server.fetch("/models/sse", { ...as("infer"), signal: left.signal });
    await server.post("/v1/unload", { model_name: byPath }, manager);
    await server.post("/v1/load", { model_name: byPath }, manager);
    let heard = "";
    for await (const part of events.body!.pipeThrough(new TextDecoderStream())) {
      heard += part;
      if (heard.includes('"status":"loaded"')) break;
    }
    left.abort();
    expect([heard.includes("…/by path.gguf"), heard.includes(workspace.folder)]).toEqual([true, false]);
    const text = async (path: string, scopes: string) => {
      const response = await server.fetch(path, as(scopes));
      expect([path, response.status]).toEqual([path, 200]);
      return await response.text();
    };
    for (const path of ANSWERS) {
      await text(path, "infer,manage,admin"); // What is kept for one is not for the other.
      const seen = await text(path, "infer");
      expect([path, seen.includes(workspace.folder), seen.includes("my models")]).toEqual([path, false, false]);
    }
    // Whoever manages models names this one by its path, and needs the name.
    const health = JSON.parse(await text("/api/v1/health", "infer,manage")) as { all_models_loaded: Record<string, unknown>[] };
    const [latest] = health.all_models_loaded;
    expect(latest).toMatchObject({ model_name: byPath, checkpoint: "…/by path.gguf", pid: null, backend_url: null });
    expect(JSON.parse(await text("/api/v1/health", "infer"))).toMatchObject({
      model_loaded: "…/by path.gguf",
      checkpoint_loaded: "…/by path.gguf",
    });

    expect(await text("/v1/models/plain?details=true", "infer,manage,admin")).toContain(models.path("plain"));
    expect(await text("/props?model=plain", "infer,manage,admin")).toContain(models.path("plain"));
    expect(await text("/api/v1/health", "infer,manage,admin")).toMatch(/"backend_url":"http.*"pid":\d/);
  });
});
