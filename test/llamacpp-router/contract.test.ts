import { afterEach, beforeEach, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  createWorkspace,
  describeWith,
  makeModels,
  rejection,
  runCommand,
  startLemonade,
  type Lemonade,
  type Workspace,
} from "../fixtures/index.ts";
import { addToHubCache } from "./hub-cache.ts";
import { RouterClient } from "./router-client.ts";

const HELLO = [{ role: "user", content: "hello" }];

/** What llama.cpp's own tests of its router assert; each test has a server of its own, as there. */
describeWith("llamacpp", "the contract of llama.cpp's router", () => {
  let workspace: Workspace;
  let modelFlags: readonly string[];
  let server: Lemonade;
  let client: RouterClient;

  beforeEach(async () => {
    workspace = await createWorkspace();
    modelFlags = (await makeModels(join(workspace.folder, "models"), ["plain", "other", "endless"])).flags;
  });
  afterEach(async () => {
    await server?.[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  });
  const start = async (flags: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<void> => {
    server = await startLemonade({ engine: "llamacpp", workspace, flags: [...modelFlags, ...flags], env });
    client = new RouterClient(server.url);
  };
  /** A request that keeps a model busy until it is left. */
  const keepBusy = async (model: string): Promise<AbortController> => {
    const left = new AbortController();
    const body = JSON.stringify({ model, messages: HELLO, stream: true });
    const response = await client.fetch("/v1/chat/completions", { method: "POST", body, signal: left.signal });
    expect(response.status).toBe(200);
    void response.text().catch(() => {}); // It ends when we leave.
    return left;
  };

  test("the router's properties tell its role, its limit, its autoload and a build", async () => {
    await start(["--models-max", "2", "--no-models-autoload"]);
    const { status, body } = await client.call("GET", "/props");
    expect(status).toBe(200);
    expect(body).toMatchObject({ role: "router", max_instances: 2, models_autoload: false, build_info: expect.stringMatching(/^b\d/) });
  });

  test("a streamed chat loads its model, and every event has the form that clients expect", async () => {
    await start([]);
    const { status, body } = await client.call("POST", "/chat/completions", {
      model: "plain",
      messages: HELLO,
      stream: true,
      max_tokens: 16,
    });
    expect(status).toBe(200);
    const events = (body as string).split("\n\n").filter((event) => event.startsWith("data: {"));
    const chunks = events.map(
      (event) => JSON.parse(event.slice("data: ".length)) as { choices: { finish_reason: string | null; delta: object }[] },
    );
    const choices = chunks.flatMap((chunk) => chunk.choices);
    const [last] = choices.splice(-1);
    expect(last?.delta).not.toHaveProperty("content");
    expect(last?.finish_reason).toMatch(/^(stop|length)$/);
    for (const { delta, finish_reason } of choices) {
      expect(finish_reason).toBeNull();
      expect(delta).toHaveProperty("content");
    }
  });

  test("an unknown model is refused before any event", async () => {
    await start([]);
    const { status, body } = await client.call("POST", "/chat/completions", { model: "non-existent/model", messages: HELLO, stream: true });
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: { code: 400, type: "invalid_request_error", message: expect.stringContaining("not found") } });
  });

  test("a model is loaded and unloaded by hand", async () => {
    await start([]);
    expect(await client.call("POST", "/models/load", { model: "plain" })).toMatchObject({ status: 200, body: { success: true } });
    await client.reaches("plain", "loaded");
    expect(await client.call("POST", "/models/unload", { model: "plain" })).toMatchObject({ status: 200, body: { success: true } });
    await client.reaches("plain", "unloaded");
  });

  test("a load by hand evicts the least recently used model", async () => {
    await start(["--models-max", "2"]);
    await client.load("plain");
    await client.load("other");
    await client.load("endless");
    expect(await client.statusOf("plain")).toBe("unloaded");
    expect(await client.statusOf("other")).toBe("loaded");
  });

  test("a load by hand is refused when every model is busy, and then nothing is evicted", async () => {
    await start(["--models-max", "1"]);
    const left = await keepBusy("endless");
    const { status, body } = await client.call("POST", "/models/load", { model: "plain" });
    expect(status).toBe(500);
    expect(body).toMatchObject({
      error: { message: expect.stringContaining("model limit reached, try again later"), type: "server_error" },
    });
    expect(await client.statusOf("endless")).toBe("loaded");
    left.abort();
  });

  test("a request waits for a busy model instead of evicting it", async () => {
    await start(["--models-max", "1"]);
    const left = await keepBusy("endless");
    const queued = client.tokenize("plain");
    await server.waiting(1);
    expect(await client.statusOf("endless")).toBe("loaded");
    left.abort();
    expect((await queued).status).toBe(200);
    expect(await client.statusOf("plain")).toBe("loaded");
    expect(await client.statusOf("endless")).toBe("unloaded");
  });

  test("many requests for one missing model evict one other model", async () => {
    await start(["--models-max", "2"]);
    await client.load("plain");
    const left = await keepBusy("endless");
    const answers = await Promise.all([1, 2, 3].map(async () => await client.tokenize("other")));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect([await client.statusOf("endless"), await client.statusOf("plain"), await client.statusOf("other")]).toEqual([
      "loaded",
      "unloaded",
      "loaded",
    ]);
    left.abort();
  });

  test("a client that gives up while it waits costs no model its place", async () => {
    await start(["--models-max", "1"]);
    const busy = await keepBusy("endless");
    const impatient = new AbortController();
    const queued = client.tokenize("plain", { signal: impatient.signal });
    await server.waiting(1);
    impatient.abort();
    await rejection(queued);
    await server.waiting(0);
    busy.abort();
    expect((await client.tokenize("endless")).status).toBe(200);
    expect(await client.statusOf("endless")).toBe("loaded");
    expect(await client.statusOf("plain")).toBe("unloaded");
  });

  test("waiting requests are served in order of arrival", async () => {
    await start(["--models-max", "1"]);
    const left = await keepBusy("endless");
    const order: string[] = [];
    const ask = async (model: string) => {
      expect((await client.tokenize(model)).status).toBe(200);
      order.push(model);
    };
    const first = ask("plain");
    await server.waiting(1);
    const second = ask("other");
    await server.waiting(2);
    left.abort();
    await Promise.all([first, second]);
    expect(order).toEqual(["plain", "other"]);
  });

  test("two requests that both want the place of one idle model are both served", async () => {
    await start(["--models-max", "1"]);
    await client.load("endless");
    const answers = await Promise.all([client.tokenize("plain"), client.tokenize("other")]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(await client.statusOf("endless")).toBe("unloaded");
  });

  test("without autoload a request is refused until its model was loaded by hand; the request may say otherwise", async () => {
    await start(["--no-models-autoload", "--models-max", "2"]);
    const ask = async (path: string) => await client.call("POST", path, { model: "plain", messages: HELLO, max_tokens: 4 });
    for (const path of ["/v1/chat/completions", "/chat/completions"]) {
      expect(await ask(path)).toMatchObject({ status: 400, body: { error: { message: expect.stringContaining("model is not loaded") } } });
    }
    await client.load("plain");
    expect((await ask("/v1/chat/completions")).status).toBe(200);
    expect((await client.call("GET", "/slots?model=other&autoload=false")).status).toBe(400);
    expect((await client.call("GET", "/slots?model=other&autoload=1")).status).toBe(200);
  });

  test("with a key a request without it is refused, and with it everything works", async () => {
    await start([], { LEMONADE_API_KEY: "sk-router-secret" });
    const refused = await client.call("POST", "/chat/completions", { model: "plain", messages: HELLO });
    expect(refused).toMatchObject({ status: 401, body: { error: { type: "authentication_error", code: 401 } } });
    expect((await client.call("GET", "/models")).status).toBe(401);
    expect((await client.call("GET", "/health")).status).toBe(200);
    const authorized = new RouterClient(server.url, { authorization: "Bearer sk-router-secret" });
    await authorized.load("plain");
    expect((await authorized.call("POST", "/v1/chat/completions", { model: "plain", messages: HELLO })).status).toBe(200);
  });

  test("edits of the preset file are seen by a reload: removed, kept and new names", async () => {
    const file = join(workspace.folder, "presets.ini");
    const model = join(workspace.folder, "models", "plain.gguf");
    await writeFile(file, `[a]\nmodel = ${model}\n\n[b]\nmodel = ${model}\n`);
    await start(["--models-preset", file, "--models-max", "3"]);
    const names = async (query = "") => (await client.models(query)).map(({ id }) => id).filter((id) => /^[abc]$/.test(id));
    expect(await names()).toEqual(["a", "b"]);
    await Promise.all([client.load("a"), client.load("b")]);
    const before = await client.model("b");
    await writeFile(file, `[b]\nmodel = ${model}\n\n[c]\nmodel = ${model}\n`);
    await using events = await client.events();
    expect(await names("?reload=1")).toEqual(["b", "c"]);
    await events.waitFor("the reload is told", ({ event, model: name }) => event === "models_reload" && name === "*");
    expect(events.events[0]).toEqual({ model: "a", event: "status_change", data: { status: "unloaded", exit_code: 0 } });
    expect((await client.model("b")).status).toEqual(before.status); // It was not touched.
    await writeFile(file, `[b]\nmodel = ${model}\nctx-size = 512\n`);
    await client.models("?reload=1");
    expect(await client.statusOf("b")).toBe("unloaded");
    expect((await client.model("b")).status.args.join(" ")).toContain("--ctx-size 512"); // As its next start will be.
    expect((await client.tokenize("b")).status).toBe(200);
    expect((await client.model("b")).status.args.join(" ")).toContain("--ctx-size 512");
  });

  test("a broken preset file is told by a reload, and the models stay as they were", async () => {
    const file = join(workspace.folder, "presets.ini");
    await writeFile(file, `[a]\nmodel = ${join(workspace.folder, "models", "plain.gguf")}\n`);
    await start(["--models-preset", file]);
    await writeFile(file, "[a]\nmodle = x\n");
    const { status, body } = await client.call("GET", "/models?reload=1");
    expect(status).toBe(500);
    expect(body).toMatchObject({ error: { message: expect.stringContaining("option 'modle' not recognized in preset 'a'") } });
    expect((await client.tokenize("a")).status).toBe(200);
  });

  test("a preset hides the cache entries that it refers to, and they stay usable by name", async () => {
    const [main, draft] = ["ggml-org/test-model-stories260K", "ggml-org/test-model-stories260K-infill"];
    for (const repo of [main, draft]) await addToHubCache(workspace, repo, `${repo.split("/")[1]}-F32.gguf`);
    await addToHubCache(workspace, "ggml-org/tinygemma3-GGUF", "tinygemma3-Q8_0.gguf");
    const file = join(workspace.folder, "presets.ini");
    const section = `[model-dedup]\nhf-repo = ${main}\nspec-draft-hf = ${draft}\n`;
    const names = async (query = "") => (await client.models(query)).map(({ id }) => id);
    await writeFile(file, `${section}dedup-cache-models = 1\n`);
    await start(["--models-preset", file]);
    expect(await names()).toContain("model-dedup");
    expect(await names()).toContain("ggml-org/tinygemma3-GGUF:Q8_0");
    expect(await names()).not.toContainAnyValues([`${main}:F32`, `${draft}:F32`]);
    expect((await client.tokenize(`${main}:F32`)).status).toBe(200);
    await writeFile(file, section);
    expect(await names("?reload=1")).toEqual(expect.arrayContaining([`${main}:F32`, `${draft}:F32`]));
    await writeFile(file, `[*]\ndedup-cache-models = 1\n${section}`);
    expect(await names("?reload=1")).not.toContainAnyValues([`${main}:F32`, `${draft}:F32`]);
  });

  test("models of the Hugging Face cache have llama.cpp's names", async () => {
    await addToHubCache(workspace, "ggml-org/tinygemma3-GGUF", "tinygemma3-Q8_0.gguf");
    await addToHubCache(workspace, "ggml-org/test-model-stories260K", "test-model-stories260K-F32.gguf");
    await start([]);
    const cached = (await client.models()).filter(({ source }) => source === "cache");
    expect(cached.map(({ id, can_remove }) => ({ id, can_remove }))).toEqual([
      { id: "ggml-org/test-model-stories260K:F32", can_remove: true },
      { id: "ggml-org/tinygemma3-GGUF:Q8_0", can_remove: true },
    ]);
  });

  test("a model that loads is seen loading, by whoever asks often and by whoever follows the events", async () => {
    await start([]);
    await using events = await client.events();
    const seen = new Set<string>();
    const loading = client.load("plain");
    const watch = (async () => {
      while (!seen.has("loaded")) seen.add(await client.statusOf("plain"));
    })();
    await Promise.all([loading, watch]);
    expect([...seen].filter((value) => value !== "unloaded")).toEqual(["loading", "loaded"]);
    const first = await events.waitFor("the load is told", ({ model }) => model === "plain");
    expect(first).toEqual({ model: "plain", event: "model_status", data: { status: "loading" } });
  });

  test("an engine that dies is shown as failed until it runs again or the list is reloaded", async () => {
    await start([]);
    await client.load("plain");
    const { pid } = await server.model("plain");
    process.kill(pid, "SIGKILL");
    await client.reaches("plain", "unloaded");
    expect((await client.model("plain")).status).toMatchObject({ failed: true, exit_code: 1 });
    await client.models("?reload=0");
    expect((await client.model("plain")).status).not.toHaveProperty("failed");
    await client.load("plain");
  });

  test("a file that is no model is listed, fails with the reason, and is marked as failed", async () => {
    await writeFile(join(workspace.folder, "models", "damaged.gguf"), "GGUF and then nothing of use");
    await start([]);
    const { status, body } = await client.tokenize("damaged");
    expect(status).toBe(500);
    expect(body).toMatchObject({ error: { message: expect.stringContaining("model name=damaged failed to load: ") } });
    expect((await client.model("damaged")).status).toMatchObject({ value: "unloaded", failed: true, exit_code: 1 });
  });

  test("models of the preset file are loaded on startup, and more of them than there is place end the start", async () => {
    const model = join(workspace.folder, "models", "plain.gguf");
    const file = join(workspace.folder, "presets.ini");
    await writeFile(file, `[*]\nload-on-startup = true\n[a]\nmodel = ${model}\n[b]\nmodel = ${model}\n`);
    const refused = await runCommand(["serve", "--port", "0", "--models-preset", file, "--models-max", "1"], { workspace });
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("number of models to load on startup (2) exceeds --models-max (1)");
    await start(["--models-preset", file, "--models-max", "0"]);
    await client.reaches("a", "loaded");
    await client.reaches("b", "loaded");
    expect((await client.call("GET", "/props")).body).toMatchObject({ max_instances: 0 });
  });
});
