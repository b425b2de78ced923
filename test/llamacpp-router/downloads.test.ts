import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { join } from "node:path";
import { buildTinyModel } from "../../src/model/tiny/index.ts";
import { createWorkspace, describeWith, makeModels, startLemonade, until, type Lemonade, type Workspace } from "../fixtures/index.ts";
import { Hub, patternBytes } from "../fixtures/hub/index.ts";
import { RouterClient } from "./router-client.ts";

const MODEL = "tester/download-GGUF:F16";

describeWith("llamacpp", "downloads through llama.cpp's calls", () => {
  let hub: Hub;
  let workspace: Workspace;
  let server: Lemonade;
  let client: RouterClient;
  beforeAll(async () => {
    hub = await Hub.start();
    hub.add("tester/download-GGUF", { files: { "download-F16.gguf": buildTinyModel({ name: "fetched" }) } });
    hub.add("tester/large-GGUF", { files: { "large-Q4_0.gguf": patternBytes(20_000_000) } });
  });
  afterAll(async () => await hub[Symbol.asyncDispose]());
  beforeEach(async () => {
    workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "models"), ["plain"]);
    const flags = [...models.flags, "--models-max", "1"];
    server = await startLemonade({ engine: "llamacpp", workspace, flags, env: { HF_ENDPOINT: hub.endpoint } });
    client = new RouterClient(server.url);
  });
  afterEach(async () => {
    hub.faults.clear();
    await server[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  });

  test("a model is fetched while the limit is reached, told by events, listed, used and deleted", async () => {
    await client.load("plain");
    await using events = await client.events();
    expect(await client.call("POST", "/models", { model: MODEL })).toMatchObject({ status: 200, body: { success: true } });
    await events.waitFor("it is finished", ({ event, model }) => event === "download_finished" && model === MODEL);
    const told = events.events.filter(({ model }) => model === MODEL);
    expect(told[0]).toEqual({ model: MODEL, event: "model_status", data: { status: "downloading" } });
    const last = told.filter(({ event }) => event === "download_progress").at(-1);
    const [[url, progress] = ["", {}]] = Object.entries(last?.data?.["progress"] as Record<string, { done: number; total: number }>);
    expect(url).toEndWith("/download-F16.gguf");
    expect(progress).toMatchObject({ done: buildTinyModel({ name: "fetched" }).length, total: buildTinyModel({ name: "fetched" }).length });
    expect(await client.model(MODEL)).toMatchObject({ source: "cache", can_remove: true, status: { value: "unloaded" } });
    expect(await client.statusOf("plain")).toBe("loaded");
    const again = await client.call("POST", "/models", { model: MODEL });
    expect(again).toMatchObject({ status: 400, body: { error: { message: `model '${MODEL}' already exists` } } });
    expect((await client.tokenize(MODEL)).status).toBe(200);
    expect(await client.call("DELETE", `/models?model=${encodeURIComponent(MODEL)}`)).toMatchObject({
      status: 200,
      body: { success: true },
    });
    await events.waitFor("it is removed", ({ event, model }) => event === "model_remove" && model === MODEL);
    expect((await client.models()).map(({ id }) => id)).not.toContain(MODEL);
    expect((await client.call("POST", "/tokenize", { model: MODEL })).status).toBe(400);
  });

  test("a running download is listed with its progress and cancelled by an unload", async () => {
    const large = "tester/large-GGUF:Q4_0";
    const released = Promise.withResolvers<void>();
    hub.faults.add({ kind: "stall", afterBytes: 1_000_000, until: released.promise });
    await using events = await client.events();
    expect((await client.call("POST", "/models", { model: large })).status).toBe(200);
    await events.waitFor(
      "bytes have arrived",
      ({ event, data }) => event === "download_progress" && JSON.stringify(data).includes('"total":20000000'),
    );
    expect(await client.model(large)).toMatchObject({ status: { value: "downloading", progress: expect.anything() } });
    expect((await client.call("POST", "/models", { model: large })).status).toBe(400);
    expect(await client.call("POST", "/models/unload", { model: large })).toMatchObject({ status: 200, body: { success: true } });
    await events.waitFor("it is given up", ({ event, model }) => event === "download_failed" && model === large);
    await until("it is not listed", async () => !(await client.models()).some(({ id }) => id === large));
    released.resolve();
  });

  test("a repository that does not exist is refused at once, with the reason", async () => {
    const { status, body } = await client.call("POST", "/models", { model: "tester/none-GGUF:Q4_0" });
    expect(status).toBe(404);
    expect(body).toMatchObject({ error: { type: "not_found_error", message: expect.stringContaining("tester/none-GGUF") } });
  });

  test("a preset that names a repository has it fetched when it is first used", async () => {
    const file = join(workspace.folder, "presets.ini");
    await Bun.write(file, "[mine]\nhf-repo = tester/download-GGUF:F16\n");
    await server[Symbol.asyncDispose]();
    server = await startLemonade({
      engine: "llamacpp",
      workspace,
      flags: ["--models-preset", file],
      env: { HF_ENDPOINT: hub.endpoint },
    });
    client = new RouterClient(server.url);
    expect(await client.model("mine")).toMatchObject({ source: "preset", can_remove: false, status: { value: "unloaded" } });
    expect((await client.tokenize("mine")).status).toBe(200);
    expect((await client.model("mine")).status.args).toContain("mine");
  });
});
