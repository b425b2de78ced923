import { expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createWorkspace, describeWith, describeWithEachEngine, makeModels, runCommand, startLemonade } from "../fixtures/index.ts";
import { RouterClient } from "./router-client.ts";

describeWithEachEngine("llama.cpp's router mode", (engine) => {
  test("loads, tells and unloads a model with the options of its preset", async () => {
    await using workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "models"), ["plain"]);
    const file = join(workspace.folder, "presets.ini");
    await writeFile(file, "[plain]\nctx-size = 768\ntemp = 0.25\nalias = other-name\n");
    await using server = await startLemonade({ engine, workspace, flags: [...models.flags, "--models-preset", file] });
    const client = new RouterClient(server.url);
    const planned = (await client.model("plain")).status.args;
    expect(planned.slice(planned.indexOf("--port"), planned.indexOf("--port") + 2)).toEqual(["--port", "0"]);
    expect(planned.join(" ")).toContain("--temperature 0.25");
    await using events = await client.events();
    await client.load("plain");
    const { data } = await events.waitFor("it is loaded", ({ data }) => data?.status === "loaded");
    expect(data?.["info"]).toMatchObject({ id: "plain", meta: { n_ctx: 768 } });
    expect(await client.model("plain")).toMatchObject({ aliases: ["other-name"], meta: { n_ctx: 768 }, source: "preset" });
    const props = await client.call("GET", "/props?model=other-name");
    expect(props.body).toMatchObject({ model_alias: "plain", default_generation_settings: { n_ctx: 768, params: { temperature: 0.25 } } });
    expect((await client.tokenize("other-name")).status).toBe(200);
    expect((await client.call("GET", "/props")).body).toMatchObject({ role: "router", build_info: expect.stringMatching(/^b\d/) });
    expect((await client.call("POST", "/models/unload", { model: "other-name" })).status).toBe(200);
    await events.waitFor("it is unloaded", ({ data }) => data?.status === "unloaded" && data["exit_code"] === 0);
  });
});

describeWith("embedded", "an option of llama-server that the embedded engine lacks", (engine) => {
  test("is left out and named in the log", async () => {
    await using workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "models"), ["plain"]);
    const file = join(workspace.folder, "presets.ini");
    await writeFile(file, "[plain]\ncache-reuse = 256\n");
    await using server = await startLemonade({ engine, workspace, flags: [...models.flags, "--models-preset", file] });
    expect((await new RouterClient(server.url).tokenize("plain")).status).toBe(200);
    expect(server.log()).toContain("the embedded engine has no option --cache-reuse");
  });
});

describeWith("embedded", "a path of llama-server that the embedded engine lacks", (engine) => {
  test("is told apart from one that nobody has, and says which engine has it", async () => {
    await using server = await startLemonade({ engine });
    const client = new RouterClient(server.url);
    const calls = [
      ["POST", "/completion", { model: "tiny", prompt: "x" }],
      ["POST", "/embedding", { model: "tiny-embedding", content: "x" }],
      ["POST", "/infill", { model: "tiny" }],
      ["GET", "/metrics?model=tiny", undefined],
      ["GET", "/lora-adapters?model=tiny", undefined],
      ["POST", "/slots/0?action=erase", { model: "tiny" }],
    ] as const;
    for (const [method, path, body] of calls) {
      const { status, body: answer } = await client.call(method, path, body);
      expect({ path, status }).toEqual({ path, status: 501 });
      expect(answer).toMatchObject({ error: { type: "not_supported_error", message: expect.stringContaining("a llama-server does") } });
    }
  });
});

describeWith("llamacpp", "a model that sleeps when nobody uses it", (engine) => {
  test("is told and listed as sleeping, and wakes up for a request", async () => {
    await using workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "models"), ["plain"]);
    const file = join(workspace.folder, "presets.ini");
    await writeFile(file, "[plain]\nsleep-idle-seconds = 1\n");
    await using server = await startLemonade({ engine, workspace, flags: [...models.flags, "--models-preset", file] });
    const client = new RouterClient(server.url);
    await using events = await client.events();
    await client.load("plain");
    await events.waitFor("it sleeps", ({ data }) => data?.status === "sleeping");
    expect(await client.model("plain")).toMatchObject({ status: { value: "sleeping" }, meta: expect.anything() });
    expect((await client.tokenize("plain")).status).toBe(200);
    const awake = await events.waitFor("it is awake", ({ data }) => data?.status === "loaded" && data["info"] === undefined);
    expect(awake).toEqual({ model: "plain", event: "status_change", data: { status: "loaded" } });
  });
});

describeWith("llamacpp", "a key that may only ask models", (engine) => {
  test("sees the models without this machine's paths, and manages nothing", async () => {
    await using workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "models"), ["plain"]);
    const key = (await runCommand(["keys", "add", "guest", "--scopes", "infer"], { workspace })).stdout.trim();
    await using server = await startLemonade({ engine, workspace, flags: models.flags });
    const client = new RouterClient(server.url, { authorization: `Bearer ${key}` });
    const { status } = await client.model("plain");
    expect(status.args.join(" ")).toContain("…/plain.gguf");
    expect(JSON.stringify(status)).not.toContain(workspace.folder);
    expect((await client.tokenize("plain")).status).toBe(200);
    const refused = await client.call("POST", "/models/unload", { model: "plain" });
    expect(refused).toMatchObject({ status: 403, body: { error: { code: 403, type: "permission_error", reason: "forbidden" } } });
    expect((await client.call("DELETE", "/models?model=plain")).status).toBe(403);
    expect((await client.call("GET", `/slots?model=${encodeURIComponent(models.path("plain"))}`)).status).toBe(400);
  });
});
