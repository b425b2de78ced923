import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  createWorkspace,
  describeWithEachEngine,
  hasEngine,
  makeMisbehavingEngine,
  startLemonade,
  until,
  type Lemonade,
  type MisbehavingEngine,
  type Workspace,
} from "../fixtures/index.ts";

/** Else a failed start is repeated on the CPU. */
const NO_SECOND_TRY = { LEMONADE_LLAMACPP_NO_FALLBACK: "1" };
const HELLO = [{ role: "user" as const, content: "hi" }];

interface Options {
  readonly ctx_size?: number;
  readonly llamacpp_backend?: string;
  readonly llamacpp_args?: string;
}

const load = async (server: Lemonade, options: Options & { save_options?: boolean } = {}): Promise<number> =>
  (await server.post("/api/v1/load", { model_name: "tiny", ...options })).status;
const chat = async (server: Lemonade): Promise<number> =>
  (await server.post("/v1/chat/completions", { model: "tiny", messages: HELLO, max_tokens: 4 })).status;
const running = async (server: Lemonade): Promise<Options> => (await server.model("tiny")).recipe_options;
const saved = async (server: Lemonade): Promise<unknown> => {
  const told = async <T>(path: string): Promise<T> => (await (await server.fetch(path)).json()) as T;
  const { recipe_options: options } = await told<{ recipe_options: unknown }>("/api/v1/models/tiny");
  const { data } = await told<{ data: { id: string; recipe_options: unknown }[] }>("/api/v1/models");
  expect(data.find(({ id }) => id === "tiny")?.recipe_options).toEqual(options);
  return options;
};

describeWithEachEngine("options of one load", (engine) => {
  let server: Lemonade;
  beforeAll(async () => void (server = await startLemonade({ engine })));
  afterAll(async () => await server[Symbol.asyncDispose]());
  const contextOfEngine = async () => {
    const props = await (await server.fetch("/props?model=tiny")).json();
    return (props as { default_generation_settings: { n_ctx: number } }).default_generation_settings.n_ctx;
  };

  test("the context is the engine's, for this load alone", async () => {
    expect(await load(server, { ctx_size: 2048 })).toBe(200);
    expect(await contextOfEngine()).toBe(2048);
    expect(await running(server)).toEqual({ ctx_size: 2048 });
    const pid = (await server.model("tiny")).pid;
    expect(await load(server)).toBe(200);
    expect(await load(server, { ctx_size: 2048 })).toBe(200);
    expect((await server.model("tiny")).pid).toBe(pid);
    await server.post("/api/v1/unload", {});
    expect(await chat(server)).toBe(200);
    expect(await contextOfEngine()).toBe(4096);
  });

  test("another engine can be chosen; one that is not here is refused, and the model stays as it is", async () => {
    const other = engine === "llamacpp" ? "embedded" : "from-source";
    if (!hasEngine(engine === "llamacpp" ? "embedded" : "llamacpp")) return;
    expect(await load(server, { llamacpp_backend: other })).toBe(200);
    expect(await server.model("tiny")).toMatchObject({ backend: engine === "llamacpp" ? "embedded" : "llamacpp" });
    const { pid } = await server.model("tiny");
    const refused = await server.post("/api/v1/load", { model_name: "tiny", llamacpp_backend: "cuda" });
    expect(refused.status).toBe(422);
    expect(await refused.json()).toMatchObject({ error: { code: "backend_not_installed" } });
    expect(await load(server, { llamacpp_backend: "turbo" })).toBe(400);
    expect((await server.model("tiny")).pid).toBe(pid);
  });

  test("arguments go to the engine, and those that it lacks are refused", async () => {
    expect(await load(server, { llamacpp_args: "--parallel 2", llamacpp_backend: "from-source" })).toBe(200);
    expect(((await (await server.fetch("/slots?model=tiny")).json()) as unknown[]).length).toBe(2);
    expect(await load(server, { llamacpp_args: "--cache-ram 0", llamacpp_backend: "embedded" })).toBe(422);
    expect(await load(server, { llamacpp_args: "--an 'open quote" })).toBe(422);
    expect(await running(server)).toMatchObject({ llamacpp_args: "--parallel 2" });
  });
});

describe("saved options", () => {
  let workspace: Workspace;
  let engine: MisbehavingEngine;
  let file: string;
  const start = async () => await startLemonade({ workspace, flags: engine.flags, env: engine.env });
  const savedFile = async () => JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
  beforeAll(async () => {
    workspace = await createWorkspace();
    engine = await makeMisbehavingEngine(workspace, [{}]);
    file = join(workspace.cacheDir, "recipe_options.json");
  });
  afterAll(async () => await workspace[Symbol.asyncDispose]());

  test("hold for every later load, also of the next server, until a load asks for others or they are reset", async () => {
    {
      await using server = await start();
      await writeFile(file, JSON.stringify({ "user.Other": { ctx_size: 512, of_a_later_version: true } }));
      expect(await load(server, { ctx_size: 2048, llamacpp_args: "--top-k 7", save_options: true })).toBe(200);
      expect(await savedFile()).toEqual({
        "user.Other": { ctx_size: 512, of_a_later_version: true },
        tiny: { ctx_size: 2048, llamacpp_args: "--top-k 7" },
      });
      expect(await saved(server)).toEqual({ ctx_size: 2048, llamacpp_args: "--top-k 7" });
    }
    await using server = await start();
    expect(await chat(server)).toBe(200);
    expect(await running(server)).toEqual({ ctx_size: 2048, llamacpp_args: "--top-k 7" });
    expect((await engine.journal("start")).at(-1)?.args.join(" ")).toMatch(/--ctx-size 2048 .* --top-k 7$/);
    expect(await load(server, { ctx_size: 1024 })).toBe(200);
    expect(await running(server)).toEqual({ ctx_size: 1024, llamacpp_args: "--top-k 7" });
    expect(await saved(server)).toEqual({ ctx_size: 2048, llamacpp_args: "--top-k 7" });
    expect(await load(server, { save_options: true })).toBe(200);
    expect(await running(server)).toEqual({ ctx_size: 4096 });
    expect(await saved(server)).toEqual({});
    expect(await savedFile()).toEqual({ "user.Other": { ctx_size: 512, of_a_later_version: true } });
  });

  test("a file that is not understood is told, and loads go on without it", async () => {
    await writeFile(file, JSON.stringify({ tiny: { ctx_size: "large" } }));
    await using server = await start();
    expect(server.log()).toContain("the options of tiny are not understood");
    expect(await chat(server)).toBe(200);
    expect(await running(server)).toEqual({ ctx_size: 4096 });
  });

  test("are not kept when the model does not load with them", async () => {
    await using other = await createWorkspace();
    const failing = await makeMisbehavingEngine(other, [{ exitsWith: 1 }]);
    await using server = await startLemonade({ workspace: other, flags: failing.flags, env: failing.env });
    expect(await load(server, { ctx_size: 2048, save_options: true })).toBe(422);
    expect(await saved(server)).toEqual({});
  });
});

describe("loads and requests at the same time", () => {
  const contexts = async (engine: MisbehavingEngine) =>
    (await engine.journal("start")).map(({ args }) => Number(args[args.indexOf("--ctx-size") + 1]));

  test("a request that comes while the model makes way for other options waits for these", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, (gatePath) => [{ answers: [{ kind: "stream", gate: gatePath("answer") }] }, {}]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    const stream = await server.post("/v1/chat/completions", { model: "tiny", messages: HELLO });
    const loaded = load(server, { ctx_size: 2048 });
    await until("it makes way", async () => (await server.model("tiny")).state === "stopping");
    const late = chat(server);
    await server.waiting(2);
    await engine.openGate("answer");
    expect(await stream.text()).toEndWith("data: [DONE]\n\n");
    expect([await loaded, await late]).toEqual([200, 200]);
    expect(await contexts(engine)).toEqual([4096, 2048]);
    expect(await running(server)).toEqual({ ctx_size: 2048 });
  });

  test("a load ends one that began with other options for a request, which waits for the new one", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, (gatePath) => [{ gate: gatePath("never") }, {}]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    const early = chat(server);
    await engine.noted("start");
    expect([await load(server, { ctx_size: 2048 }), await early]).toEqual([200, 200]);
    expect(await contexts(engine)).toEqual([4096, 2048]);
  });

  test("two loads with different options both get theirs, one after the other, and requests are served meanwhile", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, (gatePath) => [{ gate: gatePath("first") }, {}]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    const first = load(server, { ctx_size: 1024 });
    await engine.noted("start");
    const others = [load(server, { ctx_size: 3072 }), chat(server)];
    await server.waiting(3);
    await engine.openGate("first");
    expect(await Promise.all([first, ...others])).toEqual([200, 200, 200]);
    expect(await contexts(engine)).toEqual([1024, 3072]);
  });

  test("options with which the model does not load are told to whoever asked for them; requests get it without", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, (gatePath) => [{ gate: gatePath("fail"), exitsWith: 1 }, {}]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: { ...engine.env, ...NO_SECOND_TRY } });
    const loaded = load(server, { ctx_size: 1024 });
    const asked = chat(server);
    await server.waiting(2);
    await engine.openGate("fail");
    expect([await loaded, await asked]).toEqual([422, 200]);
    expect(await contexts(engine)).toEqual([1024, 4096]);
  });

  test("an engine that crashes comes back as it was loaded", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{ answers: [{ kind: "crash" }] }, {}]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    expect(await load(server, { ctx_size: 2048 })).toBe(200);
    expect(await chat(server)).toBe(200);
    expect(await contexts(engine)).toEqual([2048, 2048]);
  });
});
