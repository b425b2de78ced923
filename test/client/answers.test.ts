import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as v from "valibot";
import type {
  Backend,
  Download,
  DownloadedFile,
  FoundRepo,
  GenerationParams,
  Health,
  LoadedModel,
  LogLine,
  Model,
  ModelDetails,
  ModelMemory,
  ModelFile,
  ModelStats,
  RecipeOptions,
  RequestStats,
  Stats,
  SystemInfo,
  Variant,
} from "../../src/client/index.ts";
import { LemonadeApiError, LemonadeClient } from "../../src/client/index.ts";
import { buildTinyModel, TINY_SENTENCE } from "../../src/model/tiny/index.ts";
import { createWorkspace, describeWith, rejection, startLemonade, type Lemonade, type Workspace } from "../fixtures/index.ts";
import { Hub } from "../fixtures/hub/index.ts";

/** A schema for every field of a type: the compiler refuses one that lacks a field or takes another type. */
type Shape<T> = { readonly [K in keyof T]-?: v.GenericSchema<unknown, T[K]> };

const text = v.string();
const count = v.number();
const flag = v.boolean();
const maybeText = v.nullable(text);
const maybeCount = v.nullable(count);

const OPTIONS = v.strictObject({
  ctx_size: v.exactOptional(count),
  llamacpp_backend: v.exactOptional(text),
  llamacpp_args: v.exactOptional(text),
}) satisfies v.GenericSchema<unknown, RecipeOptions>;

const MODEL = {
  id: text,
  checkpoint: text,
  recipe: text,
  labels: v.array(text),
  downloaded: flag,
  suggested: flag,
  recipe_options: OPTIONS,
  size: v.exactOptional(count) as unknown as v.GenericSchema<unknown, number>, // A field that may be missing, not one that may be undefined.
} satisfies Shape<Model>;

const FILE = { path: text, size: count } satisfies Shape<ModelFile>;

const MEMORY = {
  ctx_size: count,
  weights: count,
  kv_cache: count,
  compute: count,
  total: count,
  available: count,
  free: count,
  fits: flag,
  fits_now: flag,
  gpus: v.array(v.object({ name: text, memory: count, fits: flag })),
} satisfies Shape<ModelMemory>;

const DETAILS = {
  ...MODEL,
  files: v.array(v.object(FILE)),
  architecture: maybeText,
  quantization: maybeText,
  parameters: maybeCount,
  context_length: maybeCount,
  chat_template: v.nullable(flag),
  tool_calls: v.nullable(flag),
  pooling: maybeText,
  memory: v.nullable(v.object(MEMORY)),
} satisfies Shape<ModelDetails>;

const LOADED = {
  model_name: text,
  state: v.picklist(["loading", "ready", "busy", "draining", "stopping", "failed"]),
  type: v.picklist(["text", "embedding", "reranking"]),
  backend: maybeText,
  in_flight: count,
  load_stage: maybeText,
  load_progress: maybeCount,
  recipe_options: OPTIONS,
  notes: v.array(text),
} satisfies Shape<LoadedModel>;

const HEALTH = {
  status: v.literal("ok"),
  version: text,
  model_loaded: maybeText,
  all_models_loaded: v.array(v.object(LOADED)),
} satisfies Shape<Health>;

const SYSTEM = { "OS Version": text, Processor: text, "Physical Memory": text, devices: v.looseObject({}) } satisfies Partial<
  Shape<SystemInfo>
>;

const DOWNLOADED_FILE = {
  path: text,
  bytes_done: count,
  bytes_total: count,
  bytes_per_second: maybeCount,
  eta_seconds: maybeCount,
} satisfies Shape<DownloadedFile>;

const DOWNLOAD = {
  id: text,
  model: text,
  repo: text,
  state: v.picklist(["running", "waiting", "paused", "done", "failed", "cancelled"]),
  bytes_done: count,
  bytes_total: count,
  bytes_per_second: maybeCount,
  eta_seconds: maybeCount,
  error: maybeText,
  files: v.array(v.object(DOWNLOADED_FILE)),
} satisfies Shape<Download>;

const REPO = { repo: text, downloads: count, likes: count, gated: flag, last_modified: maybeText } satisfies Shape<FoundRepo>;
const VARIANT = { variant: text, files: v.array(text), size: count } satisfies Shape<Variant>;

const BACKEND = {
  name: text,
  backend: text,
  variant: maybeText,
  installed: flag,
  version: maybeText,
  path: maybeText,
  available_version: maybeText,
  available: flag,
  default: flag,
  reason: text,
} satisfies Shape<Backend>;

const REQUEST = {
  model: maybeText,
  time_to_first_token: maybeCount,
  tokens_per_second: maybeCount,
  input_tokens: maybeCount,
  output_tokens: maybeCount,
  cached_tokens: maybeCount,
  draft_acceptance: maybeCount,
} satisfies Shape<RequestStats>;

const SUMS = {
  requests: count,
  input_tokens: count,
  cached_tokens: count,
  output_tokens: count,
  last: v.object(REQUEST),
} satisfies Shape<ModelStats>;

const STATS = { ...REQUEST, models: v.record(text, v.object(SUMS)) } satisfies Shape<Stats>;

const PARAMS = {
  temperature: count,
  top_p: count,
  top_k: count,
  min_length: count,
  max_length: count,
  do_sample: flag,
} satisfies Shape<GenerationParams>;

const LINE = {
  timeMs: count,
  level: v.picklist(["critical", "error", "warning", "info", "debug", "trace"]),
  source: text,
  text,
  line: text,
} satisfies Shape<LogLine>;

const NAME = "tester/tiny-GGUF";

function expectShape(value: unknown, shape: v.ObjectEntries): void {
  v.parse(v.object(shape), value); // Throws with the name of the field.
}

describeWith("embedded", "the types of the client", (engine) => {
  let hub: Hub;
  let workspace: Workspace;
  let server: Lemonade;
  let client: LemonadeClient;
  beforeAll(async () => {
    hub = await Hub.start();
    hub.add(NAME, { files: { "tiny-Q4_0.gguf": buildTinyModel({ name: "four" }) } });
    workspace = await createWorkspace();
    server = await startLemonade({ engine, workspace, env: { HF_ENDPOINT: hub.endpoint } });
    client = new LemonadeClient({ url: server.url });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
    await hub[Symbol.asyncDispose]();
  });

  test("are what a server answers about models", async () => {
    const models = await client.models({ all: true });
    expect(models.length).toBeGreaterThan(5);
    for (const model of models) expectShape(model, MODEL);
    expectShape(await client.model("tiny"), MODEL);
    expectShape(await client.modelDetails("tiny", { contextTokens: 512 }), DETAILS);
  });

  test("are what a server answers about itself", async () => {
    expect(await client.load("tiny")).toBe("tiny");
    const health = await client.health();
    expectShape(health, HEALTH);
    expect(health.all_models_loaded).toHaveLength(1);
    expectShape(await client.systemInfo(), SYSTEM);
    for (const backend of await client.backends()) expectShape(backend, BACKEND);
    await client.unload("tiny");
  });

  test("are what a server answers about downloads and the hub", async () => {
    const [repo] = await client.search("tiny");
    expectShape(repo, REPO);
    const [variant] = await client.variants(NAME);
    expectShape(variant, VARIANT);
    for await (const download of client.pull({ model_name: `${NAME}:Q4_0` })) expectShape(download, DOWNLOAD);
    for (const download of await client.downloads()) expectShape(download, DOWNLOAD);
    expect(await client.deleteModel(`${NAME}:Q4_0`)).toContain(NAME);
  });

  test("hold for the pieces of a chat", async () => {
    const pieces = await Array.fromAsync(client.chat("tiny", [{ role: "user", content: "hi" }]));
    expect(new Set(pieces.map(({ kind }) => kind))).toEqual(new Set(["content"]));
    expect(pieces.map(({ text }) => text).join("")).toContain(TINY_SENTENCE.slice(0, 5));
  });

  test("are what a server answers about figures and parameters", async () => {
    expectShape(await client.stats(), STATS);
    expect(Object.keys((await client.stats()).models)).toContain("tiny");
    expectShape(await client.setParams({ temperature: 0.5 }), PARAMS);
    expect(await client.setParams({ temperature: null })).toMatchObject({ temperature: 0.7 });
  });

  test("are the lines of the log, with the level that was set, of the model that is asked for", async () => {
    await client.setLogLevel("debug");
    const refused = rejection(client.load("nobody"));
    for await (const line of client.logs({ level: "debug", model: "http" })) {
      expectShape(line, LINE);
      if (line.text.includes("MODEL_NOT_FOUND")) break;
    }
    await refused;
  });

  test("halt ends what runs, and tells how much that was", async () => {
    expect(await client.halt()).toBe(0);
    expect(await client.halt("tiny")).toBe(0);
  });

  test("a model of this machine is uploaded by its files", async () => {
    const files = [{ path: "Folder/mine.gguf", content: new Blob([Uint8Array.from(buildTinyModel({ name: "mine" }))]) }];
    expect(await client.addLocalModel({ model_name: "user.Mine", recipe: "llamacpp", reasoning: true, files })).toBe("user.Mine");
    expect(await client.model("user.Mine")).toMatchObject({ downloaded: true, labels: ["custom", "reasoning"] });
    expect(await client.load("user.Mine", { contextTokens: 1024 })).toBe("user.Mine");
    expect((await client.health()).all_models_loaded[0]?.recipe_options).toEqual({ ctx_size: 1024 });
    expect(await client.unload()).toContain("user.Mine");
  });

  describe("a refusal", () => {
    test("rejects with its status and code", async () => {
      expect(await rejection(client.load("nobody"))).toMatchObject({ name: "LemonadeApiError", status: 404, code: "model_not_found" });
    });

    test("of a server that is not there has the status 0", async () => {
      const error = await rejection(new LemonadeClient({ url: "http://127.0.0.1:9" }).health());
      expect(error).toBeInstanceOf(LemonadeApiError);
      expect(error).toMatchObject({ status: 0, code: undefined });
    });

    test("by abort is the signal's reason", async () => {
      const reason = new Error("enough");
      expect(await rejection(client.health({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    });
  });
});
