import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createWorkspace, describeWith, makeModels, startLemonade, type Lemonade, type Workspace } from "../fixtures/index.ts";
import { startRealRouter, type RealRouter } from "./real-router.ts";
import { RouterClient, type Answer, type ListedModel, type ModelEvent } from "./router-client.ts";

/** Presets with aliases, tags and secrets, one that names nothing, one that only extends. */
const presetsOf = (folder: string) => `version = 1
[*]
c = 512
[plain]
temp = 0.3          ; warm
alias = zed, alpha
tags = one,two
[mine:q4_k_m]
model = ${folder}/plain.gguf
no-warmup = true
hf-token = hf_secret
stop-timeout = 3
[broken]
model = ${folder}/none.gguf
`;

type Call = readonly [method: string, path: string, body?: unknown];

const named = (calls: readonly Call[]) =>
  calls.map(([method, path, body]) => ({
    name: `${method} ${path} ${body === undefined ? "" : JSON.stringify(body)}`,
    method,
    path,
    body,
  }));

/** Calls that change nothing, and what both shall answer alike. */
const CALLS: readonly Call[] = [
  ["GET", "/health"],
  ["GET", "/v1/health"],
  ["GET", "/props"],
  ["POST", "/models/load", { model: "nope" }],
  ["POST", "/models/load", {}],
  ["POST", "/models/load", "no JSON"],
  ["POST", "/models/unload", { model: "nope" }],
  ["POST", "/models/unload", { model: "other" }],
  ["POST", "/models/unload", {}],
  ["POST", "/models", {}],
  ["POST", "/models", { model: "no-repository" }],
  ["POST", "/models", { model: "plain" }],
  ["DELETE", "/models"],
  ["DELETE", "/models?model=nope"],
  ["DELETE", "/models?model=plain"],
  ["DELETE", "/models?model=mine:Q4_K_M"],
  ["GET", "/slots"],
  ["GET", "/metrics"],
  ["GET", "/lora-adapters"],
  ["GET", "/slots?model=nope"],
  ["GET", "/props?model=nope"],
  ["GET", "/slots?model=other&autoload=false"],
  ["GET", "/slots?model=other&autoload=no"],
  ["POST", "/tokenize", { content: "x" }],
  ["POST", "/tokenize", { model: "nope", content: "x" }],
  ["POST", "/tokenize?autoload=0", { model: "other", content: "x" }],
  ["POST", "/tokenize", "no JSON"],
  ["POST", "/tokenize", { model: "broken", content: "x" }],
  ["POST", "/completion", { prompt: "x" }],
  ["POST", "/completions", { model: "nope", prompt: "x" }],
  ["POST", "/chat/completions", { model: "nope", messages: [] }],
  ["POST", "/responses", { model: "nope", input: "x" }],
  ["POST", "/embeddings", { model: "nope", input: "x" }],
  ["POST", "/rerank", { model: "nope", query: "x", documents: [] }],
  ["POST", "/infill", {}],
  ["POST", "/lora-adapters", []],
  ["POST", "/slots/0?action=erase", {}],
  ["GET", "/tools"],
  ["POST", "/tools", {}],
  ["GET", "/cors-proxy?url=http://x"],
  ["GET", "/v1/stream"],
  ["GET", "/v1/stream?conv_id=none"],
  ["DELETE", "/v1/stream"],
  ["DELETE", "/v1/stream?conv_id=none"],
  ["POST", "/v1/streams/lookup", { conversation_ids: ["none"] }],
  ["GET", "/no-such-path"],
];

/** Calls that reach the engine: it answers both in the same words. */
const ENGINE_CALLS: readonly Call[] = [
  ["POST", "/tokenize", { model: "plain", content: "hello", with_pieces: true }],
  ["POST", "/tokenize", { model: "zed", content: "hello" }],
  ["POST", "/detokenize", { model: "plain", tokens: [104, 105] }],
  ["POST", "/apply-template", { model: "plain", messages: [{ role: "user", content: "hi" }] }],
  ["POST", "/chat/completions/input_tokens", { model: "plain", messages: [{ role: "user", content: "hi" }] }],
  ["POST", "/v1/chat/completions/input_tokens", { model: "plain", messages: [{ role: "user", content: "hi" }] }],
  ["POST", "/responses/input_tokens", { model: "plain", input: "hi" }],
  ["POST", "/v1/chat/completions/control", { model: "plain" }],
  ["POST", "/embeddings", { model: "plain", input: "x" }],
  ["POST", "/embedding", { model: "plain", content: "x" }],
  ["POST", "/rerank", { model: "plain", query: "x", documents: ["y"] }],
  ["POST", "/infill", { model: "plain", input_prefix: "x", input_suffix: "y" }],
  ["POST", "/slots/0?action=erase", { model: "plain" }],
  ["POST", "/props", { model: "plain" }],
  ["GET", "/slots?model=plain"],
  ["GET", "/metrics?model=plain"],
  ["GET", "/lora-adapters?model=plain"],
  ["POST", "/chat/completions", { model: "plain" }],
];

describeWith("llamacpp", "beside the real llama-server in router mode", () => {
  let workspace: Workspace;
  let lemonade: Lemonade;
  let router: RealRouter;
  let ours: RouterClient;
  let real: RouterClient;
  beforeAll(async () => {
    workspace = await createWorkspace();
    const folder = join(workspace.folder, "models");
    const models = await makeModels(folder, ["plain", "other"]);
    await makeModels(join(folder, "in-folder"), ["plain"]);
    await mkdir(join(folder, "empty"));
    const presets = join(workspace.folder, "presets.ini");
    await writeFile(presets, presetsOf(folder));
    const flags = [...models.flags, "--models-preset", presets, "--models-max", "3"];
    router = await startRealRouter(workspace, flags);
    real = router.client;
    lemonade = await startLemonade({ engine: "llamacpp", workspace, flags });
    ours = new RouterClient(lemonade.url);
  });
  afterAll(async () => {
    await router[Symbol.asyncDispose]();
    await lemonade[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  });
  /** Our list also has the built-in model. */
  const ourModels = async (query = "") => (await ours.models(query)).filter(({ id }) => id !== "tiny");

  test.each(named(CALLS))("$name is answered alike", async ({ method, path, body }) => {
    const [expected, got] = await Promise.all([real.call(method, path, body), ours.call(method, path, body)]);
    expectAlike(got, expected);
  });

  test("both list the same models with the same fields", async () => {
    expectSameModels(await ourModels(), await real.models());
    expectSameModels(await ourModels("?reload=1"), await real.models("?reload=1"));
  });

  test("both lists stand below /v1, too", async () => {
    const list = async (client: RouterClient) => ((await client.call("GET", "/v1/models")).body as { data: ListedModel[] }).data;
    const known = (await list(ours)).filter(({ id }) => id !== "tiny");
    for (const model of known) expect(model).toMatchObject({ owned_by: "lemonade", recipe: "llamacpp" });
    const llamaCpp = known.map((model): ListedModel => ({ ...model, owned_by: "llamacpp" })).toSorted((a, b) => (a.id < b.id ? -1 : 1));
    expectSameModels(llamaCpp, await list(real));
  });

  test("a loaded model is described alike, also after it was unloaded again", async () => {
    await Promise.all([ours.load("alpha").catch(() => ours.reaches("plain", "loaded")), loadAlias(real)]);
    expectSameModels(await ourModels(), await real.models());
    const [got, expected] = [await ours.model("plain"), await real.model("plain")];
    expect(got["meta"]).toEqual(expected["meta"]);
    for (const { status } of [got, expected]) {
      expect(status.args[status.args.indexOf("--port") + 1]).toMatch(/^[1-9]\d+$/);
      expect(status.args[status.args.indexOf("--alias") + 1]).toBe("plain");
      expect(status.args.join(" ")).toMatch(/--temp(erature)? 0\.3/);
    }
    const again = await Promise.all([real, ours].map(async (client) => await client.call("POST", "/models/load", { model: "plain" })));
    expectAlike(again[1]!, again[0]!);
    const unloaded = await Promise.all([real, ours].map(async (client) => await client.call("POST", "/models/unload", { model: "zed" })));
    expectAlike(unloaded[1]!, unloaded[0]!);
    await Promise.all([real, ours].map(async (client) => await client.reaches("plain", "unloaded")));
    expectSameModels(await ourModels(), await real.models());
  });

  test("both tell the same events about a load and an unload", async () => {
    const follow = async (client: RouterClient): Promise<readonly ModelEvent[]> => {
      await using reader = await client.events();
      await client.load("other");
      await client.call("POST", "/models/unload", { model: "other" });
      await reader.waitFor("it is unloaded", ({ data }) => data?.status === "unloaded");
      await client.models("?reload=yes");
      await reader.waitFor("it is read anew", ({ event }) => event === "models_reload");
      return reader.events;
    };
    const [expected, got] = await Promise.all([follow(real), follow(ours)]);
    expect(got.map(comparableEvent)).toEqual(expected.map(comparableEvent));
  });

  test.each(named(ENGINE_CALLS))("$name reaches the engine alike", async ({ method, path, body }) => {
    const [expected, got] = await Promise.all([real.call(method, path, body), ours.call(method, path, body)]);
    expect({ ...got, type: mediaType(got) }).toEqual({ ...expected, type: mediaType(expected) });
  });

  test("answers of the engine have the same form", async () => {
    const ask = async (client: RouterClient) => {
      const chat = { model: "mine:Q4_K_M", messages: [{ role: "user", content: "hi" }], temperature: 0, seed: 1, max_tokens: 8 };
      const prompt = { model: "mine:Q4_K_M", prompt: "hi", temperature: 0, seed: 1, n_predict: 8 };
      const props = (await client.call("GET", "/props?model=mine:Q4_K_M")).body as Record<string, unknown>;
      return {
        chat: shapeOf((await client.call("POST", "/chat/completions", chat)).body),
        native: shapeOf((await client.call("POST", "/completion", prompt)).body),
        text: shapeOf((await client.call("POST", "/v1/completions", prompt)).body),
        content: ((await client.call("POST", "/completions", prompt)).body as { content: string }).content,
        props: [props["total_slots"], props["model_alias"], props["build_info"], props["chat_template"]],
        context: (props["default_generation_settings"] as { n_ctx: number }).n_ctx,
      };
    };
    const [expected, got] = await Promise.all([ask(real), ask(ours)]);
    expect(got).toEqual(expected);
  });

  test("no secret is shown, which the real one does", async () => {
    expect(JSON.stringify(await real.model("mine:Q4_K_M"))).toContain("hf_secret");
    expect(JSON.stringify(await ours.model("mine:Q4_K_M"))).not.toContain("hf_secret");
  });
});

/** The real one loads an alias under the model's name, which is what the list shows. */
async function loadAlias(client: RouterClient): Promise<void> {
  expect(await client.call("POST", "/models/load", { model: "alpha" })).toMatchObject({ status: 200, body: { success: true } });
  await client.reaches("plain", "loaded");
}

interface ErrorBody {
  readonly error: { readonly code?: number; readonly message: string; readonly type: string };
}

const isError = (body: unknown): body is ErrorBody => typeof body === "object" && body !== null && "error" in body;

/** Same status and fields; an error has the same type and number, and our text begins with theirs and may go on. */
function expectAlike(got: Answer, expected: Answer): void {
  expect(got.status).toBe(expected.status);
  if (!isError(expected.body)) {
    if (typeof expected.body === "object") expect(got.body).toMatchObject(expected.body as object);
    else expect(got.body).toEqual(expected.body);
    return;
  }
  expect(isError(got.body)).toBe(true);
  const { error } = got.body as ErrorBody;
  expect(error.type).toBe(expected.body.error.type);
  // A path that we do not know speaks no dialect: its code is ours.
  if (expected.body.error.code !== undefined && typeof error.code === "number") expect(error.code).toBe(expected.body.error.code);
  const { message } = expected.body.error;
  // Of every 404 the real one drops the text; of JSON each parser complains in its own words.
  if (expected.status === 404 || message.startsWith("[json.exception")) return;
  expect(error.message).toStartWith(message.trimEnd());
}

/** Everything but the command line and the preset, which are compared by what they say. */
function expectSameModels(got: readonly ListedModel[], expected: readonly ListedModel[]): void {
  expect(got.map(comparable)).toMatchObject(expected.map(comparable));
  for (const [i, model] of expected.entries()) {
    const [mine, theirs] = [got[i]!.status, model.status];
    expect(mine.args[0]).toBe(theirs.args[0]);
    for (const option of ["--host", "--alias", "--ctx-size"]) {
      expect([option, mine.args[mine.args.indexOf(option) + 1]]).toEqual([option, theirs.args[theirs.args.indexOf(option) + 1]]);
    }
    expect(mine.args[mine.args.indexOf("-m") + 1]).toBe(theirs.args[theirs.args.indexOf("--model") + 1]);
    expect(linesOf(mine.preset)).toEqual(linesOf(theirs.preset));
  }
}

function comparable({ status, created, ...model }: ListedModel): unknown {
  const { value, failed, exit_code } = status;
  return { ...model, created: typeof created, status: { value, failed, exit_code } };
}

/** Options that both routers were given on their own command line are not ours to show; secrets are masked. */
function linesOf(preset: string): string[] {
  const lines = preset.split("\n").filter((line) => !/^(offline|threads) = /.test(line));
  return lines.map((line) => line.replace(/^hf-token = .*/, "hf-token")).toSorted();
}

function comparableEvent({ model, event, data }: ModelEvent): unknown {
  const { info, ...rest } = (data ?? {}) as { info?: Record<string, unknown> };
  return { model, event, data: rest, info: info && { id: info["id"], meta: info["meta"], fields: Object.keys(info).toSorted() } };
}

const mediaType = ({ type }: Answer) => type?.split(";")[0];

/** The names and kinds of all fields. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, shapeOf(field)]));
}
