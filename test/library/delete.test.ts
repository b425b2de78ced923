import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildTinyModel } from "../../src/model/tiny/index.ts";
import { createWorkspace, runCommand, startLemonade, type Workspace } from "../fixtures/index.ts";
import { Hub, patternBytes } from "../fixtures/hub/index.ts";

const four = buildTinyModel({ name: "four" });
const eight = buildTinyModel({ name: "eight" });
let hub: Hub;
let workspace: Workspace;
let env: Record<string, string>;

beforeAll(async () => void (hub = await Hub.start()));
afterAll(async () => await hub[Symbol.asyncDispose]());
beforeEach(async () => {
  workspace = await createWorkspace();
  env = { HF_ENDPOINT: hub.endpoint };
});
afterEach(async () => {
  hub.faults.clear();
  await workspace[Symbol.asyncDispose]();
});

const lemonade = async (...words: string[]) => await runCommand(words, { workspace, env });
const cached = async (...below: string[]): Promise<string[]> => {
  const names = await readdir(join(workspace.folder, "huggingface", "hub", ...below), { recursive: true }).catch(() => []);
  return names.filter((name) => !name.startsWith(".locks") && /\.\w+$/.test(name)).map((name) => name.replace(/^.*snapshots\/\w+\//, ""));
};
const register = async (name: string, checkpoint: string) =>
  await lemonade("pull", name, "--checkpoint", checkpoint, "--recipe", "llamacpp");

describe("delete", () => {
  test("removes a model that no backend of ours runs, a whole repository", async () => {
    const files = { "genai_config.json": "{}", "model.onnx": patternBytes(1000), "sub/vocabulary.txt": "x" };
    hub.add("amd/Llama-3.2-1B-Instruct-awq-uint4-float16-cpu-onnx", { files });
    expect((await lemonade("pull", "Llama-3.2-1B-Instruct-CPU")).code).toBe(0);
    expect((await cached()).toSorted()).toEqual(Object.keys(files).toSorted());
    expect(await lemonade("delete", "Llama-3.2-1B-Instruct-CPU")).toMatchObject({
      code: 0,
      stdout: "Deleted model: Llama-3.2-1B-Instruct-CPU\n",
    });
    expect(await readdir(join(workspace.folder, "huggingface", "hub"))).toEqual([".locks"]);
  });

  test("removes a model whose checkpoint has a second name in the registry, which says so when it is asked next", async () => {
    hub.add("unsloth/gemma-4-12b-it-GGUF", {
      files: { "gemma-4-12b-it-Q4_K_M.gguf": four, "mmproj-F16.gguf": eight, "mtp-gemma-4-12b-it.gguf": patternBytes(1000) },
    });
    await lemonade("pull", "Gemma-4-12B-it-GGUF");
    expect((await lemonade("delete", "Gemma-4-12B-it-GGUF")).stdout).toBe("Deleted model: Gemma-4-12B-it-GGUF\n");
    expect(await cached()).toEqual([]);
    const again = await lemonade("delete", "Gemma-4-12B-it-MTP-GGUF");
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining("may have been manually deleted") });
  });

  test("removes a model from the snapshots of all commits", async () => {
    const repository = hub.add("t/old-GGUF", { files: { "m-Q4_0.gguf": four, "README.md": "1" } });
    await lemonade("pull", "t/old-GGUF:Q4_0");
    repository.commit({ "m-Q4_0.gguf": four, "README.md": "2" });
    await lemonade("pull", "t/old-GGUF:Q4_0");
    expect(await cached()).toEqual(["m-Q4_0.gguf", "m-Q4_0.gguf"]);
    await lemonade("delete", "t/old-GGUF:Q4_0");
    expect(await cached()).toEqual([]);
  });

  test("of a checkpoint `*` removes every GGUF file, and of a repository without a variant everything", async () => {
    hub.add("t/all-GGUF", { files: { "m-Q4_0.gguf": four, "m-Q8_0.gguf": eight, "config.json": "{}" } });
    await register("user.All", "t/all-GGUF:*");
    expect(await cached()).toHaveLength(3);
    expect((await lemonade("list", "--downloaded")).stdout).not.toContain("t/all-GGUF");
    await lemonade("delete", "user.All");
    expect(await cached()).toEqual([]);
    await lemonade("pull", "t/all-GGUF:Q4_0", "t/all-GGUF:Q8_0");
    expect((await lemonade("delete", "t/all-GGUF")).code).toBe(0);
    expect(await cached()).toEqual([]);
  });

  test("keeps what a model needs that the user registered, and says which one", async () => {
    hub.add("t/two-GGUF", { files: { "m-Q4_0.gguf": four } });
    await register("user.One", "t/two-GGUF:Q4_0");
    await register("user.Two", "t/two-GGUF:Q4_0");
    expect(await lemonade("delete", "t/two-GGUF:Q4_0")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("user.One and user.Two"),
    });
    expect((await lemonade("delete", "user.One")).stdout).toBe("Deleted model: user.One (files stay that belong to user.Two too)\n");
    expect(await cached()).toEqual(["m-Q4_0.gguf"]);
    await lemonade("delete", "user.Two");
    expect(await cached()).toEqual([]);
  });

  test("does not take one variant for another that is not here, and knows a name from none", async () => {
    hub.add("t/amb-GGUF", { files: { "m-BF16.gguf": four } });
    await lemonade("pull", "t/amb-GGUF:BF16");
    expect((await lemonade("delete", "t/amb-GGUF:F16")).code).toBe(1);
    expect((await lemonade("delete", "t/none-GGUF:Q4_0")).code).toBe(1);
    expect(await lemonade("delete", "NoSuchModel")).toMatchObject({ code: 1, stderr: expect.stringContaining("is not supported") });
    expect(await cached()).toEqual(["m-BF16.gguf"]);
  });

  test("forgives that files were removed by hand, and drops the blobs that they left", async () => {
    hub.add("t/gone-GGUF", { files: { "m-Q4_0.gguf": four } });
    await register("user.Gone", "t/gone-GGUF:Q4_0");
    await rm(join(workspace.folder, "huggingface", "hub", "models--t--gone-GGUF", "snapshots"), { recursive: true });
    expect((await lemonade("delete", "user.Gone")).code).toBe(0);
    expect(await readdir(join(workspace.folder, "huggingface", "hub"))).toEqual([".locks"]);
  });

  test("of a name for the user's own file removes the name only", async () => {
    const path = join(workspace.folder, "mine.gguf");
    await writeFile(path, four);
    expect((await register("user.Mine", path)).code).toBe(0);
    expect((await lemonade("list", "--downloaded")).stdout).toMatch(/user\.Mine +Yes/);
    expect(await lemonade("delete", "user.Mine")).toMatchObject({ code: 0, stdout: expect.stringContaining(`its file ${path} is yours`) });
    expect((await lemonade("list", "--all")).stdout).not.toContain("user.Mine");
    expect((await readdir(workspace.folder)).includes("mine.gguf")).toBe(true);
  });

  test("refuses while the files are loaded under another name, unless told to unload", async () => {
    hub.add("t/held-GGUF", { files: { "m-Q4_0.gguf": four } });
    await register("user.Held", "t/held-GGUF:Q4_0");
    await using server = await startLemonade({ workspace, env });
    await server.post("/api/v1/load", { model_name: "t/held-GGUF:Q4_0" });
    expect((await server.post("/api/v1/delete", { model_name: "user.Held" })).status).toBe(409);
    expect(await lemonade("delete", "user.Held")).toMatchObject({ code: 1, stderr: expect.stringContaining("--unload") });
    expect((await server.post("/api/v1/delete", { model_name: "user.Held", unload: true })).status).toBe(200);
    expect(await server.models()).toEqual([]);
  });

  test("of what cannot be deleted leaves it loaded", async () => {
    await using server = await startLemonade({ workspace, env });
    await server.post("/api/v1/load", { model_name: "tiny" });
    expect((await server.post("/api/v1/delete", { model_name: "tiny", unload: true })).status).toBe(409);
    expect(await server.models()).toHaveLength(1);
  });

  test("leaves no engine running on files that are gone, whoever asks for the model meanwhile", async () => {
    hub.add("t/hot-GGUF", { files: { "m-Q4_0.gguf": four } });
    const model = "user.Hot";
    await register(model, "t/hot-GGUF:Q4_0");
    await using server = await startLemonade({ workspace, env: { ...env, LEMONADE_OFFLINE: "1" } });
    const chat = async () =>
      (await server.post("/v1/chat/completions", { model, max_tokens: 2, messages: [{ role: "user", content: "Hi" }] })).status;
    await server.post("/api/v1/load", { model_name: model });
    const asking = (async () => {
      const statuses: number[] = [];
      while (statuses.at(-1) !== 404) statuses.push(await chat());
      return statuses;
    })();
    expect((await server.post("/api/v1/delete", { model_name: model, unload: true })).status).toBe(200);
    await asking;
    expect(await server.models()).toEqual([]);
    expect(await cached()).toEqual([]);
  });
});
