import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { TINY_SENTENCE } from "../../src/model/tiny/index.ts";
import {
  createWorkspace,
  describeWithEachEngine,
  isAlive,
  makeMisbehavingEngine,
  makeModels,
  rejection,
  runCommand,
  startLemonade,
  until,
  type Lemonade,
  type MisbehavingEngine,
  type Workspace,
} from "../fixtures/index.ts";

const HELLO = [{ role: "user" as const, content: "hi" }];

describeWithEachEngine("several models", (engine) => {
  let workspace: Workspace;
  let server: Lemonade;
  beforeAll(async () => {
    workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "models"), ["plain", "other"]);
    server = await startLemonade({ engine, workspace, flags: [...models.flags, "--max-loaded-models", "2"] });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  });
  const ask = async (model: string) => {
    const { choices } = await server.openai.chat.completions.create({ model, messages: HELLO, temperature: 0 });
    expect(choices[0]?.message.content).toBe(TINY_SENTENCE);
  };
  const loaded = async () => (await server.models()).map(({ model_name }) => model_name);

  test("two of them answer at the same time, each on its own engine", async () => {
    await Promise.all([ask("plain"), ask("other"), ask("plain"), ask("other")]);
    const pids = (await server.models()).map(({ pid }) => pid);
    expect(new Set(pids).size).toBe(2);
  });

  test("the least recently used one goes when a third one comes", async () => {
    await ask("plain");
    await ask("other");
    await ask("plain");
    const { pid } = await server.model("other");
    await ask("tiny");
    expect(await loaded()).toEqual(["tiny", "plain"]);
    expect(await isAlive(pid)).toBe(false);
    await ask("other");
    expect(await loaded()).toEqual(["other", "tiny"]);
  });

  test("a model of another kind takes no place", async () => {
    await ask("plain");
    await ask("other");
    const pids = (await server.models()).map(({ pid }) => pid);
    await server.openai.embeddings.create({ model: "tiny-embedding", input: "hi" });
    expect(await loaded()).toEqual(["tiny-embedding", "other", "plain"]);
    expect((await server.models()).map(({ type }) => type)).toEqual(["embedding", "text", "text"]);
    expect((await server.models()).slice(1).map(({ pid }) => pid)).toEqual(pids);
  });

  test("loads of two models side by side both succeed", async () => {
    await server.post("/api/v1/unload", {});
    const answers = await Promise.all(["plain", "other"].map(async (model_name) => await server.post("/api/v1/load", { model_name })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(await loaded()).toContainAllValues(["plain", "other"]);
  });

  test("many requests that wait for one model start one engine", async () => {
    await server.post("/api/v1/unload", {});
    const before = server.log().length;
    await Promise.all(Array.from({ length: 20 }, async () => await ask("plain")));
    expect(
      server
        .log()
        .slice(before)
        .match(/loading plain/g),
    ).toHaveLength(1);
    expect(await server.models()).toHaveLength(1);
  });
});

describe("unloading", () => {
  test("a model at work lets it finish; requests that come meanwhile load it again", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, (gatePath) => [{ answers: [{ kind: "stream", gate: gatePath("answer") }] }, {}]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    const stream = await server.post("/v1/chat/completions", { model: "tiny", messages: HELLO });
    const unloaded = server.post("/api/v1/unload", { model_name: "tiny" });
    await until("it is unloading", async () => (await server.model("tiny")).state === "stopping");
    const late = server.post("/v1/chat/completions", { model: "tiny", messages: HELLO });
    await server.waiting(1);
    await engine.openGate("answer");
    expect(await stream.text()).toEndWith("data: [DONE]\n\n");
    expect([(await unloaded).status, (await late).status]).toEqual([200, 200]);
    expect(await engine.journal("start")).toHaveLength(2);
  });

  test("a model that is loading ends the load, and those who wait for it learn why", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, (gatePath) => [{ gate: gatePath("never") }]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    const asked = server.post("/v1/chat/completions", { model: "tiny", messages: HELLO });
    await engine.noted("start");
    expect((await server.post("/api/v1/unload", { model_name: "tiny" })).status).toBe(200);
    const response = await asked;
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ error: { message: expect.stringContaining("unloaded while it was loading") } });
    expect(await server.models()).toEqual([]);
  });
});

describe("a busy model", () => {
  let workspace: Workspace;
  let engine: MisbehavingEngine;
  let server: Lemonade;
  beforeAll(async () => {
    workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "models"), ["plain", "other"]);
    engine = await makeMisbehavingEngine(workspace, (gatePath) => [
      { answers: [{ kind: "stream", gate: gatePath("first") }, { kind: "echo" }] },
      {},
      { answers: [{ kind: "stream", gate: gatePath("second") }, { kind: "echo" }] },
      {},
    ]);
    server = await startLemonade({ workspace, flags: [...engine.flags, ...models.flags], env: engine.env });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  });

  test("is not evicted: the request for another one waits until it is idle", async () => {
    const stream = await server.post("/v1/chat/completions", { model: "plain", messages: HELLO });
    const { pid } = await server.model("plain");
    expect(await server.model("plain")).toMatchObject({ state: "busy", in_flight: 1 });
    const other = server.post("/v1/chat/completions", { model: "other", messages: HELLO });
    await server.waiting(1);
    expect((await server.models()).map((model) => model.pid)).toEqual([pid]);
    await engine.openGate("first");
    expect(await stream.text()).toEndWith("data: [DONE]\n\n");
    expect((await other).status).toBe(200);
    expect((await server.models()).map(({ model_name }) => model_name)).toEqual(["other"]);
  });

  test("keeps its place when the waiting client leaves, and the queue is empty again", async () => {
    const stream = await server.post("/v1/chat/completions", { model: "plain", messages: HELLO });
    const { pid } = await server.model("plain");
    const client = new AbortController();
    const other = server.post("/v1/chat/completions", { model: "other", messages: HELLO }, { signal: client.signal });
    await server.waiting(1);
    client.abort();
    await rejection(other);
    await server.waiting(0);
    await engine.openGate("second");
    await stream.text();
    expect((await server.models()).map((model) => model.pid)).toEqual([pid]);
  });
});

test("a resident model serves whatever becomes of its files; the next load notices", async () => {
  await using workspace = await createWorkspace();
  const models = await makeModels(join(workspace.folder, "models"), ["plain"]);
  await using server = await startLemonade({ workspace, flags: models.flags });
  const ask = async (path: string) => await server.post(path, { model: "plain", prompt: "Hi", input: "Hi" });
  expect((await ask("/v1/completions")).status).toBe(200);
  expect(await (await ask("/v1/embeddings")).json()).toMatchObject({ error: { code: "wrong_model_kind" } });
  await rm(models.path("plain"));
  expect((await ask("/v1/completions")).status).toBe(200);
  await server.post("/api/v1/unload", {});
  expect((await ask("/v1/completions")).status).toBe(404);
});

describeWithEachEngine("a server that keeps no idle model", (engine) => {
  test("unloads it after its last request and loads it again for the next one", async () => {
    await using server = await startLemonade({ engine, flags: ["--idle-unload", "0"] });
    for (let request = 1; request <= 2; request++) {
      expect((await server.post("/v1/chat/completions", { model: "tiny", messages: HELLO })).status).toBe(200);
      await until("it is unloaded", async () => (await server.models()).length === 0);
    }
    expect(server.log()).toContain("unloading tiny: no request for 0 s");
  });
});

test("a time to keep models that is no number is refused", async () => {
  await using workspace = await createWorkspace();
  const { code, stderr } = await runCommand(["serve", "--port", "0", "--idle-unload", "soon"], { workspace });
  expect(code).not.toBe(0);
  expect(stderr).toContain('--idle-unload must be a number of seconds, but is "soon"');
});

test("health tells how far a load is, in the engine's own stages", async () => {
  await using workspace = await createWorkspace();
  const progress = { state: "loading", payload: { stages: ["text_model", "mmproj_model"], current: "text_model", value: 0.42 } };
  const engine = await makeMisbehavingEngine(workspace, (gatePath) => [
    { says: [`cmd_child_to_router:state:${JSON.stringify(progress)}`], gate: gatePath("load") },
  ]);
  await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
  const load = server.post("/v1/load", { model_name: "tiny" });
  const loading = await until("a stage is told", async () => (await server.models()).find(({ load_progress }) => load_progress !== null));
  expect(loading).toMatchObject({ state: "loading", load_stage: "text_model", load_progress: 0.42 });
  await server.post("/v1/unload", { model_name: "tiny" });
  expect((await load).status).toBe(422);
});
