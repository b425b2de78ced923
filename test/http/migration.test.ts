import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createWorkspace, startLemonade, type Lemonade, type Workspace } from "../fixtures/index.ts";

const OLD = JSON.stringify({ max_prompt_length: { "1.4.0": 2048, "1.5.0": 2048 } });
const NEW = JSON.stringify({ max_prompt_length: { "1.5.0": 2048, "1.6.0": 2048 } });

interface Found {
  readonly count: number;
  readonly total_size: number;
  readonly models: readonly { path: string; name: string; size: number; size_formatted: string; cache_type: string }[];
}

let workspace: Workspace;
let server: Lemonade;
let hub: string;
let own: string;
beforeAll(async () => {
  workspace = await createWorkspace();
  server = await startLemonade({ workspace });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await workspace[Symbol.asyncDispose]();
});
beforeEach(async () => {
  hub = join(workspace.folder, "huggingface", "hub");
  own = join(workspace.cacheDir, "oga_models");
  for (const folder of [hub, own]) await rm(folder, { recursive: true, force: true });
  await put(join(own, "llama", "npu-int4", "rai_config.json"), OLD);
  await put(join(own, "llama", "npu-int4", "model.onnx"), "x".repeat(3000));
  await put(join(own, "llama", "hybrid-int4", "rai_config.json"), NEW);
  await put(join(hub, "models--amd--Old-onnx", "snapshots", "c1", "rai_config.json"), OLD);
  await put(join(hub, "models--amd--New-onnx", "snapshots", "c1", "rai_config.json"), NEW);
  await put(join(hub, "models--amd--Damaged", "snapshots", "c1", "rai_config.json"), "{");
  await put(join(hub, "models--o--Any-GGUF", "snapshots", "c1", "a.gguf"), "any");
});

async function put(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}
const find = async () => (await (await server.fetch("/api/v1/migration/incompatible-models")).json()) as Found;
const clean = async (model_paths: readonly string[]) => {
  const response = await server.post("/api/v0/migration/cleanup", { model_paths });
  return { status: response.status, body: await response.json() };
};

test("models for older software are found in both caches, with their sizes", async () => {
  const { models, count, total_size } = await find();
  const old = { name: "llama/npu-int4", path: join(own, "llama", "npu-int4"), cache_type: "lemonade" };
  expect(models).toEqual([
    { ...old, size: 3000 + OLD.length, size_formatted: "3.0 KB" },
    {
      name: "amd/Old-onnx",
      path: join(hub, "models--amd--Old-onnx"),
      cache_type: "huggingface",
      size: OLD.length,
      size_formatted: `${OLD.length}.0 B`,
    },
  ]);
  expect([count, total_size]).toEqual([2, 3000 + 2 * OLD.length]);
});

test("they are deleted by their paths, and with them what was registered for them", async () => {
  const models = { Old: { checkpoint: "amd/Old-onnx", recipe: "oga-npu" }, New: { checkpoint: "amd/New-onnx", recipe: "oga-npu" } };
  await put(join(workspace.cacheDir, "user_models.json"), JSON.stringify(models));
  const found = await find();
  expect(await clean(found.models.map(({ path }) => path))).toEqual({
    status: 200,
    body: {
      success_count: 2,
      failed_count: 0,
      freed_size: found.total_size,
      freed_size_formatted: "3.0 KB",
      cleaned_user_models: ["user.Old"],
    },
  });
  expect((await find()).count).toBe(0);
  expect(await readdir(join(own, "llama"))).toEqual(["hybrid-int4"]);
  expect((await readdir(hub)).toSorted()).toEqual(["models--amd--Damaged", "models--amd--New-onnx", "models--o--Any-GGUF"]);
});

test("any other path is left alone, inside the caches and outside", async () => {
  const outside = join(workspace.folder, "outside");
  await put(join(outside, "int4", "rai_config.json"), OLD);
  await put(join(outside, "snapshots", "c1", "rai_config.json"), OLD);
  await symlink(outside, join(own, "linked"));
  await symlink(outside, join(hub, "models--amd--Linked"));
  const others = [
    outside,
    join(outside, "int4"),
    join(own, "linked"),
    join(own, "linked", "int4"),
    join(hub, "models--amd--Linked"),
    own,
    hub,
    workspace.cacheDir,
    "/",
    "",
    "..",
    join(own, "llama"),
    join(own, "llama", "hybrid-int4"),
    join(hub, "models--o--Any-GGUF"),
    `${join(own, "llama", "npu-int4")}/../hybrid-int4`,
  ];
  expect(await clean(others)).toMatchObject({ status: 200, body: { success_count: 0, failed_count: others.length, freed_size: 0 } });
  expect((await readdir(outside)).toSorted()).toEqual(["int4", "snapshots"]);
  expect((await find()).count).toBe(2);
  expect((await readdir(hub)).length).toBe(5);
});

test("no path at all is a mistake", async () => {
  expect(await clean([])).toMatchObject({ status: 400, body: { detail: expect.stringContaining("model_paths") } });
  expect((await server.post("/api/v1/migration/cleanup", {})).status).toBe(400);
});
