import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildTinyModel, TINY_SENTENCE } from "../../src/model/tiny/index.ts";
import {
  createWorkspace,
  describeWithEachEngine,
  makeMisbehavingEngine,
  makeModels,
  startLemonade,
  until,
  type Lemonade,
  type Workspace,
} from "../fixtures/index.ts";
import { Hub } from "../fixtures/hub/index.ts";

const REPO = "unsloth/Qwen3-0.6B-GGUF";
const INSTALLABLE = "Qwen3-0.6B-GGUF";

/** Every call that the page of Lemonade 8.2 makes, as it makes them, and what it reads from the answers. */
describeWithEachEngine("the page that Lemonade shipped", (engine) => {
  let hub: Hub;
  let workspace: Workspace;
  let server: Lemonade;
  beforeAll(async () => {
    hub = await Hub.start();
    hub.add(REPO, { files: { "Qwen3-0.6B-Q4_0.gguf": buildTinyModel({}) } });
    workspace = await createWorkspace();
    const page = join(workspace.folder, "static");
    await mkdir(page);
    await writeFile(join(page, "webapp.html"), "{{PLATFORM_JS}}{{SERVER_MODELS_JS}}<script>window.SERVER_PORT = {{SERVER_PORT}};</script>");
    const models = await makeModels(join(workspace.folder, "models"), ["plain", "endless", "reasoning"]);
    const flags = [...models.flags, "--webapp-dir", page, "--ctx-size", "200000"];
    server = await startLemonade({ engine, workspace, flags, env: { HF_ENDPOINT: hub.endpoint } });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
    await hub[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    await call("unload", { method: "POST" });
  });

  /** A call of the page: of its own origin, without a key, the body in JSON. */
  const call = async (path: string, init: Omit<RequestInit, "headers"> & { headers?: Record<string, string> } = {}) => {
    const headers = { origin: `http://localhost:${server.port}`, "sec-fetch-site": "same-origin", "user-agent": "Mozilla/5.0" };
    return await fetch(`http://localhost:${server.port}/api/v1/${path}`, { ...init, headers: { ...headers, ...init.headers } });
  };
  const post = async (path: string, body: unknown, init: { signal?: AbortSignal } = {}) =>
    await call(path, { ...init, method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const loadedModel = async () => ((await (await call("health")).json()) as { model_loaded: string | null }).model_loaded;
  const installed = async () => ((await (await call("models")).json()) as { data: { id: string }[] }).data.map(({ id }) => id);
  const serverModels = async () => {
    const page = await (await server.fetch("/")).text();
    return JSON.parse(/SERVER_MODELS = (.*?);<\/script>/.exec(page)?.[1] ?? "") as Record<string, Record<string, unknown>>;
  };

  /** Reads a stream as the page does: each network read by itself, lines that are not whole are lost. */
  async function readStream(response: Response): Promise<{ content: string; reasoning: string; lost: string[] }> {
    const read = { content: "", reasoning: "", lost: [] as string[] };
    for await (const bytes of response.body ?? []) {
      for (const line of new TextDecoder().decode(bytes).split("\n")) {
        if (!line.startsWith("data: ") || line === "data: [DONE]") {
          if (line !== "" && line !== "data: [DONE]") read.lost.push(line);
          continue;
        }
        try {
          const { delta } = (JSON.parse(line.slice(6)) as { choices: { delta: { content?: string; reasoning_content?: string } }[] })
            .choices[0]!;
          read.content += delta.content ?? "";
          read.reasoning += delta.reasoning_content ?? "";
        } catch {
          read.lost.push(line);
        }
      }
    }
    return read;
  }

  test("opens: its models are known to the list, and nothing needs to be migrated", async () => {
    expect(await loadedModel()).toBeNull();
    expect(Object.keys(await serverModels())).toEqual(expect.arrayContaining(await installed()));
    const migration = await (await call("migration/incompatible-models")).json();
    expect(migration).toEqual({ models: [], count: 0, total_size: 0 });
  });

  test("loads a model by two equal requests at once, and sees it loaded as soon as they are answered", async () => {
    const answers = await Promise.all([post("load", { model_name: "plain" }), post("load", { model_name: "plain" })]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(await loadedModel()).toBe("plain");
    expect((await post("load", { model_name: "plain", mmproj: "" })).status).toBe(200);
  });

  test("unloads everything by a request without body and without type", async () => {
    await post("load", { model_name: "plain" });
    const response = await call("unload", { method: "POST" });
    expect(response.status).toBe(200);
    expect(await loadedModel()).toBeNull();
  });

  test("chats: every event comes whole, whatever its history holds", async () => {
    const messages = [
      { role: "user", content: "one" },
      { role: "assistant", content: "two", raw: "<think>hm</think>two", reasoning_content: "hm" },
      { role: "user", content: "stopped before an answer" },
      { role: "user", content: [{ type: "text", text: "three" }] },
    ];
    const body = { model: "plain", messages, stream: true, temperature: 0, top_k: 1, top_p: 0.9, repeat_penalty: 1 };
    const response = await post("chat/completions", body);
    expect(response.headers.get("content-encoding")).toBeNull();
    expect(await readStream(response)).toEqual({ content: TINY_SENTENCE, reasoning: "", lost: [] });
    const thinking = await readStream(await post("chat/completions", { ...body, model: "reasoning" }));
    expect(thinking).toMatchObject({ content: TINY_SENTENCE, lost: [] });
    expect(thinking.reasoning.trim()).not.toBe("");
  });

  test("stops an answer by leaving and a halt, and the server lives on", async () => {
    const leave = new AbortController();
    const body = { model: "endless", messages: [{ role: "user", content: "hi" }], stream: true };
    const response = await post("chat/completions", body, { signal: leave.signal });
    await response.body!.getReader().read();
    leave.abort();
    const halted = await call("halt", { keepalive: true });
    expect([halted.status, await halted.json()]).toEqual([200, expect.objectContaining({ terminated: true })]);
    await until("nothing runs", async () => (await server.model("endless")).in_flight === 0);
    expect(await loadedModel()).toBe("endless");
  });

  test("installs a model of the catalogue with its whole entry, and deletes it", async () => {
    const entry = (await serverModels())[INSTALLABLE];
    expect(entry).toMatchObject({
      model_name: INSTALLABLE,
      suggested: true,
      labels: expect.arrayContaining(["reasoning"]),
      size: expect.any(Number),
    });
    for (const _again of [1, 2]) {
      expect((await post("pull", { ...entry, model_name: INSTALLABLE })).status).toBe(200);
      expect(await installed()).toContain(INSTALLABLE);
    }
    const deleted = await post("delete", { model_name: INSTALLABLE });
    expect([deleted.status, await deleted.json()]).toEqual([200, expect.objectContaining({ status: "success" })]);
    expect(await installed()).not.toContain(INSTALLABLE);
  });

  test("adds a model of its user's own", async () => {
    const form = { model_name: "user.Own", checkpoint: `${REPO}:Q4_0`, recipe: "llamacpp", reasoning: false, vision: false };
    expect((await post("pull", form)).status).toBe(200);
    expect(await installed()).toContain("user.Own");
    expect((await serverModels())["user.Own"]).toMatchObject({ labels: ["custom"], suggested: true });
    expect((await post("delete", { model_name: "user.Own" })).status).toBe(200);
  });

  test("can tell its user what went wrong, also when it asks again without a stream", async () => {
    const messages = [{ role: "user", content: "hi" }];
    const refused: readonly (readonly [string, unknown])[] = [
      ["load", { model_name: "none" }],
      ["pull", { model_name: "none" }],
      ["pull", { model_name: "user.none", checkpoint: "o/none-GGUF:Q4_0", recipe: "llamacpp", reasoning: false, vision: false }],
      ["delete", { model_name: "none" }],
      ["chat/completions", { model: "none", messages, stream: true }],
      ["chat/completions", { model: "none", messages, stream: false }],
      ["migration/cleanup", { model_paths: [] }],
    ];
    for (const [path, body] of refused) {
      const response = await post(path, body);
      expect(response.ok).toBe(false);
      expect(response.headers.get("content-type")).toStartWith("application/json");
      const { detail, error } = (await response.json()) as { detail: unknown; error: { message: unknown } };
      expect(detail).toMatch(/./);
      expect(error.message).toBe(detail);
    }
  });

  test("shows the log: plain lines, those from before first", async () => {
    await post("load", { model_name: "plain" });
    const socket = new WebSocket(`ws://localhost:${server.port}/api/v1/logs/ws`);
    const first = await new Promise<unknown>((resolve, reject) => {
      socket.addEventListener("message", ({ data }) => resolve(data));
      socket.addEventListener("error", () => reject(new Error("the web socket failed")));
    });
    socket.close();
    expect(first).toMatch(/^\d{4}-.*\n$/);
  });
});

test("what its history holds reaches the engine as chats know it: no raw text, and the user's turns in a row as one", async () => {
  await using workspace = await createWorkspace();
  const engine = await makeMisbehavingEngine(workspace, [{}]);
  await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
  const answer = { role: "assistant", content: "two", reasoning_content: "hm" };
  const history = [
    { role: "user", content: "one" },
    { ...answer, raw: "<think>hm</think>two" },
  ];
  const messages = [...history, { role: "user", content: "stopped before an answer" }, { role: "user", content: "three" }];
  const sent = async (path: string) => {
    const echo = (await (await server.post(path, { model: "tiny", messages })).json()) as { body: string };
    return (JSON.parse(echo.body) as { messages: unknown }).messages;
  };
  expect(await sent("/api/v1/chat/completions")).toEqual([
    { role: "user", content: "one" },
    answer,
    { role: "user", content: "stopped before an answer\n\nthree" },
  ]);
  expect(await sent("/v1/chat/completions")).toEqual(messages); // Clients of OpenAI's mean what they send.
});
