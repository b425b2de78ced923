import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { createWorkspace, describeWith, makeModels, startLemonade, type Lemonade, type Workspace } from "../fixtures/index.ts";

const PREFIXES = ["/api/v0", "/api/v1", "/v1"] as const;
const HELLO = [{ role: "user", content: "hi" }];

describeWith("llamacpp", "models and residency", (engine) => {
  let workspace: Workspace;
  let server: Lemonade;
  beforeAll(async () => {
    workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "models"), ["plain"]);
    server = await startLemonade({ engine, workspace, flags: models.flags, env: { LEMONADE_OFFLINE: "1" } });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  });

  const health = async (prefix = "/api/v1") => (await (await server.fetch(`${prefix}/health`)).json()) as Record<string, unknown>;

  describe.each(PREFIXES)("below %s", (prefix) => {
    test("every model that is here is listed", async () => {
      const response = await server.fetch(`${prefix}/models`);
      expect(response.status).toBe(200);
      const { object, data } = (await response.json()) as { object: string; data: Record<string, unknown>[] };
      expect(object).toBe("list");
      expect(data.map(({ id }) => String(id)).toSorted()).toEqual(["plain", "tiny"]);
      for (const model of data) {
        expect(model).toMatchObject({ object: "model", owned_by: "lemonade", recipe: "llamacpp", downloaded: true });
        expect(model["created"]).toBeNumber();
        expect(model["checkpoint"]).toBeString();
      }
    });

    test("one model is described as in the list", async () => {
      const { data } = (await (await server.fetch(`${prefix}/models`)).json()) as { data: Record<string, unknown>[] };
      expect(await (await server.fetch(`${prefix}/models/plain`)).json()).toEqual(data.find(({ id }) => id === "plain"));
    });

    test("a model that does not exist is not found", async () => {
      const response = await server.fetch(`${prefix}/models/non-existent-model`);
      expect(response.status).toBe(404);
      const { error } = (await response.json()) as { error: Record<string, unknown> };
      expect(error).toMatchObject({ code: "model_not_found", type: "not_found_error", source: "lemonade" });
    });

    test("a model is loaded, reported and unloaded", async () => {
      const loaded = await server.post(`${prefix}/load`, { model_name: "plain" });
      expect(loaded.status).toBe(200);
      expect(await loaded.json()).toMatchObject({ status: "success", message: "Loaded model: plain", model_name: "plain" });
      expect(await health(prefix)).toMatchObject({
        status: "ok",
        model_loaded: "plain",
        checkpoint_loaded: join(workspace.folder, "models", "plain.gguf"),
      });
      const again = await server.post(`${prefix}/load`, { model_name: "plain" });
      expect(await again.json()).toMatchObject({ status: "success", message: "Model already loaded: plain" });
      const unloaded = await server.post(`${prefix}/unload`, { model_name: "plain" });
      expect(unloaded.status).toBe(200);
      expect(await unloaded.json()).toMatchObject({ status: "success" });
      expect(await health(prefix)).toMatchObject({ status: "ok", model_loaded: null, checkpoint_loaded: null, all_models_loaded: [] });
    });

    test("chat completions are answered", async () => {
      const response = await server.post(`${prefix}/chat/completions`, { model: "tiny", messages: HELLO });
      expect(response.status).toBe(200);
      expect(await response.json()).toHaveProperty("choices");
    });
  });

  test("what llama.cpp's clients look for stands below /v1, and follows what the model does", async () => {
    const rowOf = async (prefix: string) => {
      const { data } = (await (await server.fetch(`${prefix}/models`)).json()) as { data: Record<string, unknown>[] };
      return data.find(({ id }) => id === "plain");
    };
    await server.post("/api/v1/unload", {});
    expect(await rowOf("/v1")).toMatchObject({ status: { value: "unloaded", args: expect.arrayContaining(["--alias", "plain"]) } });
    await server.post("/api/v1/load", { model_name: "plain" });
    expect(await rowOf("/v1")).toMatchObject({ status: { value: "loaded", args: expect.arrayContaining(["--alias", "plain"]) } });
    await server.post("/api/v1/unload", {});
    expect(await rowOf("/v1")).toMatchObject({ owned_by: "lemonade", recipe: "llamacpp", status: { value: "unloaded" } });
    expect(await rowOf("/api/v1")).not.toHaveProperty("status");
  });

  test("unloading without a body unloads everything, and is no error when nothing is loaded", async () => {
    await server.post("/api/v1/load", { model_name: "tiny" });
    for (let time = 0; time < 2; time++) {
      const response = await server.fetch("/api/v1/unload", { method: "POST" });
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ status: "success" });
      expect(await server.models()).toEqual([]);
    }
  });

  test("an unloaded model's engine is gone when the answer comes", async () => {
    await server.post("/api/v1/load", { model_name: "tiny" });
    const { pid } = await server.model("tiny");
    await server.post("/api/v1/unload", { model_name: "tiny" });
    expect((await workspace.processes()).map((running) => running.pid)).not.toContain(pid);
  });

  test("a load with another context size loads the model anew with it", async () => {
    const contextOf = async () => {
      const { backend_url } = await server.model("tiny");
      const props = (await (await fetch(new URL("/props", backend_url))).json()) as { default_generation_settings: { n_ctx: number } };
      return props.default_generation_settings.n_ctx;
    };
    await server.post("/api/v1/load", { model_name: "tiny" });
    const before = { pid: (await server.model("tiny")).pid, context: await contextOf() };
    expect(before.context).toBe(4096);
    expect((await server.post("/api/v1/load", { model_name: "tiny", ctx_size: 1024 })).status).toBe(200);
    const after = { pid: (await server.model("tiny")).pid, context: await contextOf() };
    expect(after.context).toBe(1024);
    expect(after.pid).not.toBe(before.pid);
    // A request that names no size takes the model as it is.
    await server.post("/v1/chat/completions", { model: "tiny", messages: HELLO });
    await server.post("/api/v1/load", { model_name: "tiny" });
    expect((await server.model("tiny")).pid).toBe(after.pid);
    await server.post("/api/v1/unload", {});
  });

  test.each([0, -1, 1.5, "many"])("a context size of %p is refused", async (ctx_size) => {
    const response = await server.post("/api/v1/load", { model_name: "tiny", ctx_size });
    expect(response.status).toBe(400);
  });

  test("a chat without messages says which field is missing", async () => {
    const response = await server.post("/v1/chat/completions", { model: "tiny" });
    expect([response.status, await response.json()]).toEqual([400, expect.objectContaining({ detail: "The field messages is missing" })]);
  });

  test("a load without a name says which field is missing", async () => {
    const response = await server.post("/api/v1/load", {});
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ status: "error", message: expect.stringContaining("model_name") });
  });

  test("/live answers without looking at anything", async () => {
    const response = await server.fetch("/live");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: "ok" });
  });

  test("a path that does not exist is not found", async () => {
    const response = await server.fetch("/api/v1/nonsense");
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ error: { code: "endpoint_not_found" }, status: "error" });
  });

  test("a wrong model name is not found, suggests a close one and touches nothing", async () => {
    await server.post("/api/v1/load", { model_name: "plain" });
    const before = await server.models();
    for (const path of ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/api/v1/load", "/api/v1/unload"]) {
      const response = await server.post(path, { model: "plian", messages: HELLO, prompt: "hi", input: "hi" });
      expect(response.status).toBe(404);
      const { error } = (await response.json()) as { error: { message: string; code: string } };
      expect(error.code).toBe("model_not_found");
      expect(error.message).toContain("plain?");
    }
    // The memory that an engine holds drifts by itself.
    expect(await server.models()).toEqual(before.map((model) => ({ ...model, memory_bytes: expect.any(Number) })));
    expect((await server.post("/v1/chat/completions", { model: "plain", messages: HELLO })).status).toBe(200);
    expect((await server.model("plain")).pid).toBe(before[0]!.pid);
  });

  test("a model that is not here and cannot be fetched touches nothing", async () => {
    await server.post("/api/v1/load", { model_name: "plain" });
    const { pid } = await server.model("plain");
    const response = await server.post("/v1/chat/completions", { model: "org/Absent-GGUF:Q4_0", messages: HELLO });
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { code: "offline" } });
    expect((await server.model("plain")).pid).toBe(pid);
  });

  test("a request that names no model means the one that is loaded", async () => {
    await server.post("/api/v1/unload", {});
    const without = await server.post("/v1/chat/completions", { messages: HELLO });
    expect(without.status).toBe(400);
    await server.post("/api/v1/load", { model_name: "plain" });
    const response = await server.post("/v1/chat/completions", { messages: HELLO });
    expect(await response.json()).toHaveProperty("model", "plain");
  });

  test("the path of a file is a name, too", async () => {
    const path = join(workspace.folder, "models", "plain.gguf");
    const response = await server.post("/v1/chat/completions", { model: path, messages: HELLO });
    expect(response.status).toBe(200);
    expect((await server.models()).map(({ model_name }) => model_name)).toContain(path);
  });

  test.each([
    ["no JSON at all", "this is no JSON", "body_not_json"],
    ["a broken object", '{"model": "tiny", "messages": [', "body_not_json"],
    ["bytes that are no text", Uint8Array.of(0x7b, 0xff, 0x7d), "body_not_json"],
    ["an array", "[]", "invalid_request"],
    ["a number", "7", "invalid_request"],
    ["a model that is no name", '{"model": 7}', "invalid_request"],
    ["an empty name", '{"model": ""}', "invalid_request"],
  ])("%s is a bad request", async (_what, body, code) => {
    const response = await server.fetch("/v1/chat/completions", { method: "POST", body });
    expect(response.status).toBe(400);
    const { error, detail } = (await response.json()) as { error: { type: string; code: string; message: string }; detail: string };
    expect(error).toMatchObject({ type: "invalid_request_error", code });
    expect(detail).toBe(error.message);
  });

  test("an error of the engine keeps its status and what it says, with its text where each client looks", async () => {
    await server.post("/api/v1/load", { model_name: "tiny" });
    const { backend_url } = await server.model("tiny");
    const tooLong = JSON.stringify({ model: "tiny", messages: [{ role: "user", content: "too long ".repeat(20_000) }] });
    const through = await server.post("/v1/chat/completions", tooLong);
    const direct = await fetch(`${backend_url}/chat/completions`, { method: "POST", body: tooLong });
    expect(through.status).toBe(direct.status);
    const body = (await through.json()) as { error: Record<string, unknown>; [field: string]: unknown };
    const said = (await direct.json()) as { error: { message: string }; [field: string]: unknown };
    const { message } = said.error;
    expect(body).toEqual({ ...said, detail: message, status: "error", message });
    expect(await (await server.post("/chat/completions", tooLong)).json()).toEqual(said); // llama.cpp's own path.
    expect(body.error["type"]).toBe("exceed_context_size_error");
    expect(body.error).not.toHaveProperty("source");
    // The same for a stream: no 200 before the engine has answered.
    const streamed = await server.post("/v1/chat/completions", { ...JSON.parse(tooLong), stream: true });
    expect(streamed.status).toBe(direct.status);
  });
});
