import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildTinyModel, TINY_SENTENCE } from "../../src/model/tiny/index.ts";
import {
  createWorkspace,
  runCommand,
  startCommand,
  startInTerminal,
  startLemonade,
  until,
  type Lemonade,
  type Workspace,
} from "../fixtures/index.ts";
import { Hub, patternBytes } from "../fixtures/hub/index.ts";

const REPO = "tester/tiny-GGUF";
let hub: Hub;
let workspace: Workspace;
let env: Record<string, string>;

beforeAll(async () => {
  hub = await Hub.start();
});
afterAll(async () => await hub[Symbol.asyncDispose]());

beforeEach(async () => {
  workspace = await createWorkspace();
  env = { HF_ENDPOINT: hub.endpoint };
  hub.add(REPO, {
    files: {
      "tiny-Q4_0.gguf": buildTinyModel({ name: "four" }),
      "tiny-Q8_0.gguf": buildTinyModel({ name: "eight" }),
      "mmproj-F16.gguf": buildTinyModel({ name: "projector" }),
      "config.json": "{}",
    },
  });
});
afterEach(async () => {
  hub.faults.clear();
  await workspace[Symbol.asyncDispose]();
});

const barOf = (name: string): RegExp => new RegExp(`${name.slice(-12)} +\\[[#-]+\\] \\d+ % of \\d MB \\d+ [kM]B/s ETA \\d+s`);
const lemonade = async (...words: string[]) => await runCommand(words, { workspace, env });
const snapshotFiles = async (): Promise<string[]> => {
  const snapshots = join(workspace.folder, "huggingface", "hub", "models--tester--tiny-GGUF", "snapshots");
  const [commit] = await readdir(snapshots).catch(() => []);
  return commit === undefined ? [] : (await readdir(join(snapshots, commit))).toSorted();
};
const userModels = async (): Promise<unknown> => JSON.parse(await readFile(join(workspace.cacheDir, "user_models.json"), "utf8"));

describe("without a server, the command", () => {
  test("pulls one variant with its companions, lists it as downloaded, and deletes exactly it", async () => {
    expect(await lemonade("pull", `${REPO}:Q4_0`)).toMatchObject({ code: 0, stdout: `Model pulled successfully: ${REPO}:Q4_0\n` });
    expect(await snapshotFiles()).toEqual(["config.json", "tiny-Q4_0.gguf"]);
    await lemonade("pull", `${REPO}:Q8_0`);
    expect((await lemonade("list", "--downloaded", "--all")).stdout).toMatch(
      /tester\/tiny-GGUF:Q4_0 +Yes[\s\S]*tester\/tiny-GGUF:Q8_0 +Yes/,
    );
    const listed = JSON.parse((await lemonade("list", "--downloaded", "--json")).stdout) as { id: string; downloaded: boolean }[];
    expect(listed.filter(({ downloaded }) => downloaded).map(({ id }) => id)).toEqual([`${REPO}:Q4_0`, `${REPO}:Q8_0`, "tiny"]);
    expect(await lemonade("delete", `${REPO}:Q4_0`)).toMatchObject({ code: 0, stdout: `Deleted model: ${REPO}:Q4_0\n` });
    expect(await snapshotFiles()).toEqual(["config.json", "tiny-Q8_0.gguf"]);
    await lemonade("delete", `${REPO}:Q8_0`);
    expect(existsSync(join(workspace.folder, "huggingface", "hub", "models--tester--tiny-GGUF", "snapshots"))).toBe(false);
  });

  test("registers a new name once its files are here, refuses it with other settings, and forgets it when it is deleted", async () => {
    const words = ["pull", "user.Small", "--checkpoint", `${REPO}:Q4_0`, "--recipe", "llamacpp", "--reasoning"];
    expect((await lemonade(...words)).code).toBe(0);
    expect(await userModels()).toEqual({
      Small: { checkpoint: `${REPO}:Q4_0`, recipe: "llamacpp", suggested: true, labels: ["custom", "reasoning"] },
    });
    expect((await lemonade("pull", "user.Small")).code).toBe(0);
    const other = await lemonade("pull", "user.Small", "--checkpoint", `${REPO}:Q8_0`, "--recipe", "llamacpp");
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining("already registered with a different configuration") });
    expect((await lemonade("delete", "user.Small")).code).toBe(0);
    expect(await userModels()).toEqual({});
  });

  test("a failed pull registers nothing, says why and ends with 1", async () => {
    const missing = await lemonade("pull", "user.None", "--checkpoint", `${REPO}:Q2_K`, "--recipe", "llamacpp");
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining("Q4_0 (") });
    expect(existsSync(join(workspace.cacheDir, "user_models.json"))).toBe(false);
    expect(await lemonade("pull", "tester/none-GGUF:Q4_0")).toMatchObject({ code: 1, stderr: expect.stringContaining("tester/none-GGUF") });
    expect(await lemonade("pull", "no-such-name")).toMatchObject({ code: 1, stderr: expect.stringContaining("no-such-name") });
  });

  test("refuses a split model of which the hub has not every part, and fetches none", async () => {
    hub.add("tester/split-GGUF", {
      files: { "m-Q8_0-00001-of-00003.gguf": patternBytes(100, 1), "m-Q8_0-00003-of-00003.gguf": patternBytes(100, 3) },
    });
    const refused = await lemonade("pull", "tester/split-GGUF:Q8_0");
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("lacks a part of this model: m-Q8_0-00002-of-00003.gguf") });
    expect((await lemonade("downloads")).stdout).toContain("No downloads");
    expect(JSON.parse((await lemonade("search", "tester/split-GGUF", "--json")).stdout)).toEqual([]);
  });

  test("a pull that fails half way says how much is kept and how to go on", async () => {
    hub.add("tester/half-GGUF", { files: { "m-Q4_0.gguf": patternBytes(1_000_000), "m-Q8_0.gguf": "x".repeat(500_000) } });
    await lemonade("pull", "tester/half-GGUF:Q4_0");
    const { code, stderr } = await lemonade("pull", "tester/half-GGUF:*");
    expect(code).toBe(1);
    expect(stderr).toMatch(/1 MB of 2 MB are kept\. Go on with: lemonade pull 'tester\/half-GGUF:\*'/);
  });

  test("a name that is nearly one is answered with the close ones", async () => {
    expect(await lemonade("pull", "Qwen3-0.6B-GUF")).toMatchObject({ code: 1, stderr: expect.stringContaining("Qwen3-0.6B-GGUF") });
  });

  test("refuses a page that the hub has in the place of a model, and keeps nothing that counts as one", async () => {
    hub.add("tester/page-GGUF", { files: { "m-Q4_0.gguf": "<!doctype html><title>Sign in</title>", "config.json": "{}" } });
    const refused = await lemonade("pull", "tester/page-GGUF:Q4_0");
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('not a GGUF model: it is an HTML page ("Sign in")') });
    expect((await lemonade("list", "--downloaded")).stdout).not.toContain("page-GGUF");
  });

  test("refuses a recipe that no registry knows", async () => {
    const refused = await lemonade("pull", "user.Typo", "--checkpoint", `${REPO}:Q4_0`, "--recipe", "lamacpp");
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("Did you mean llamacpp?") });
    expect(await snapshotFiles()).toEqual([]);
  });

  test("pull shows a bar with speed and time left for every file on a terminal, and plain lines elsewhere", async () => {
    const files = ["00001-of-00002", "00002-of-00002"].map((part, i) => [`big-Q4_0-${part}.gguf`, patternBytes(2_500_000, i + 1)]);
    hub.add("tester/big-GGUF", { files: Object.fromEntries(files) as Record<string, Uint8Array> });
    hub.faults.add({ kind: "slow", bytesPerSecond: 1_500_000 });
    {
      await using terminal = startInTerminal(["pull", "tester/big-GGUF:Q4_0"], { workspace, env, columns: 70 });
      for (const name of ["…er/big-GGUF:Q4_0", "…0001-of-00002.gguf", "…0002-of-00002.gguf"]) {
        await until(`a bar of ${name}`, () => barOf(name).test(terminal.shown()));
      }
      expect(await terminal.exited).toBe(0);
      expect(terminal.shown()).toEndWith("Model pulled successfully: tester/big-GGUF:Q4_0\r\n");
      // eslint-disable-next-line no-control-regex
      const lines = terminal.shown().split(/\r|\n|\u001B\[\d*[AJ]/);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(70);
    }
    await lemonade("delete", "tester/big-GGUF:Q4_0");
    const { stderr } = await lemonade("pull", "tester/big-GGUF:Q4_0");
    expect(stderr.trimEnd().split("\n")).toContainEqual(
      expect.stringMatching(/^tester\/big-GGUF:Q4_0 \d+ % of 5 MB \S+ .B\/s ETA \d+s \[[12]\/2 big-Q4_0-0000[12]-of-00002.gguf\]$/),
    );
  });

  test("Ctrl-C keeps what has arrived and says how to go on; the next pull goes on there", async () => {
    hub.add("tester/large-GGUF", { files: { "large-Q4_0.gguf": patternBytes(40_000_000) } });
    hub.faults.add({ kind: "slow", bytesPerSecond: 4_000_000 });
    const pulling = startCommand(["pull", "tester/large-GGUF:Q4_0"], { workspace, env });
    const blobs = join(workspace.folder, "huggingface", "hub", "models--tester--large-GGUF", "blobs");
    await until("a part has arrived", async () => {
      const names = (await readdir(blobs).catch(() => [])).filter((name) => name.endsWith(".incomplete"));
      return (await Promise.all(names.map(async (name) => (await stat(join(blobs, name))).size))).some((size) => size > 500_000);
    });
    pulling.child.kill("SIGINT");
    const { code, stderr } = await pulling.result;
    expect({ code, stderr }).toMatchObject({
      code: 130,
      stderr: expect.stringContaining("Go on with: lemonade pull tester/large-GGUF:Q4_0"),
    });
    expect((await readdir(blobs)).some((name) => name.endsWith(".incomplete"))).toBe(true);
    hub.faults.clear();
    expect((await lemonade("pull", "tester/large-GGUF:Q4_0")).code).toBe(0);
    expect((await readdir(blobs)).some((name) => name.endsWith(".incomplete"))).toBe(false);
  });

  test("registers a file under its absolute path, however it was typed, and says when a hub's address is none", async () => {
    await writeFile(join(workspace.folder, "mine.gguf"), buildTinyModel({ name: "mine" }));
    for (const [name, typed] of [
      ["Mine", "./mine.gguf"],
      ["Bare", "mine.gguf"],
    ] as const) {
      expect((await lemonade("pull", `user.${name}`, "--checkpoint", typed, "--recipe", "llamacpp")).code).toBe(0);
      expect(await userModels()).toMatchObject({ [name]: { checkpoint: join(workspace.folder, "mine.gguf") } });
    }
    env = { HF_ENDPOINT: "hf-mirror.com" };
    expect(await lemonade("search", "tiny")).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error: HF_ENDPOINT must be/) });
  });

  test("wrong values are wrong usage", async () => {
    for (const words of [
      ["pull", REPO, "--reasoning=maybe"],
      ["info", "tiny", "--ctx-size", "abc"],
      ["search", ""],
    ]) {
      expect((await lemonade(...words)).code).toBe(2);
    }
  });

  test("search lists repositories and what one of them offers", async () => {
    expect((await lemonade("search", "tiny")).stdout).toContain(REPO);
    const variants = JSON.parse((await lemonade("search", REPO, "--json")).stdout) as { variant: string; size: number }[];
    expect(variants.map(({ variant }) => variant)).toEqual(["Q4_0", "Q8_0"]);
    expect(variants[0]?.size).toBe(buildTinyModel({ name: "four" }).length);
  });

  test("offline, what is here is used and nothing is asked", async () => {
    await lemonade("pull", `${REPO}:Q4_0`);
    const before = hub.requests.length;
    const offline = { ...env, LEMONADE_OFFLINE: "1" };
    expect((await runCommand(["pull", `${REPO}:Q4_0`], { workspace, env: offline })).code).toBe(0);
    const named = ["pull", "user.Cached", "--checkpoint", `${REPO}:Q4_0`, "--recipe", "llamacpp"];
    expect((await runCommand(named, { workspace, env: offline })).code).toBe(0);
    expect(await userModels()).toMatchObject({ Cached: { checkpoint: `${REPO}:Q4_0` } });
    const missing = await runCommand(["pull", `${REPO}:Q8_0`], { workspace, env: offline });
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringMatching(/offline/i) });
    expect(hub.requests.length).toBe(before);
  });
});

describe("a pull by hand", () => {
  test("says where to accept the licence of a gated repository", async () => {
    hub.add("tester/gated-GGUF", { files: { "m-Q4_0.gguf": buildTinyModel({ name: "gated" }) }, gated: "manual" });
    const refused = await lemonade("pull", "tester/gated-GGUF:Q4_0");
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(`Accept the licence at ${hub.endpoint}/tester/gated-GGUF,`) });
  });

  test("takes the projector along that a raw checkpoint is asked for with", async () => {
    await lemonade("pull", `${REPO}:Q4_0`, "--mmproj", "mmproj-F16.gguf");
    expect(await snapshotFiles()).toEqual(["config.json", "mmproj-F16.gguf", "tiny-Q4_0.gguf"]);
  });

  test("asks the hub what a place there means, whatever the cache has of it", async () => {
    hub.add("tester/all-GGUF", { files: { "m-BF16.gguf": buildTinyModel({ name: "b" }), "m-F16.gguf": buildTinyModel({ name: "f" }) } });
    await lemonade("pull", "tester/all-GGUF:BF16");
    expect(await lemonade("pull", "tester/all-GGUF:F16")).toMatchObject({ code: 1, stderr: expect.stringContaining("several files") });
    expect((await lemonade("pull", "tester/all-GGUF:*")).code).toBe(0);
    expect((await lemonade("list", "--downloaded")).stdout).toContain("tester/all-GGUF:m-F16.gguf");
  });

  test("of a model that is here succeeds when the hub cannot be reached, and says so", async () => {
    await lemonade("pull", `${REPO}:Q4_0`);
    const away = { HF_ENDPOINT: "http://127.0.0.1:9" };
    const again = await runCommand(["pull", `${REPO}:Q4_0`], { workspace, env: away });
    expect(again).toMatchObject({ code: 0, stderr: expect.stringContaining("stays as it is here") });
    expect((await runCommand(["pull", `${REPO}:Q8_0`], { workspace, env: away })).code).toBe(1);
  });

  test("does not fetch a model of another hub from this one", async () => {
    const before = hub.requests.length;
    expect(await lemonade("pull", "MiniCPM3-4B-GGUF")).toMatchObject({ code: 1, stderr: expect.stringContaining("modelscope") });
    expect(hub.requests.length).toBe(before);
  });

  test("understands Ollama's word for no particular variant, and a flag before the name", async () => {
    expect((await lemonade("pull", "--reasoning", "user.L", "--checkpoint", `${REPO}:latest`, "--recipe", "llamacpp")).code).toBe(0);
    expect((await lemonade("list", "--downloaded")).stdout).toMatch(/user\.L +Yes .*reasoning/);
  });
});

describe("a running server", () => {
  let server: Lemonade;
  beforeEach(async () => {
    server = await startLemonade({ workspace, env });
  });
  afterEach(async () => await server[Symbol.asyncDispose]());

  test("downloads a model that a request names, then answers", async () => {
    const answer = await server.openai.chat.completions.create({ model: `${REPO}:Q4_0`, messages: [{ role: "user", content: "Hi" }] });
    expect(answer.choices[0]?.message.content).toBe(TINY_SENTENCE);
    const { data } = (await (await server.fetch("/v1/models")).json()) as { data: { id: string }[] };
    expect(data.map(({ id }) => id)).toContain(`${REPO}:Q4_0`);
  });

  test("says of a model that no backend runs that it is that, and asks the hub for nothing", async () => {
    const before = hub.requests.length;
    const model = "Qwen2.5-0.5B-Instruct-CPU";
    expect(await lemonade("load", model)).toMatchObject({ code: 1, stderr: expect.stringContaining("of the recipe oga-cpu") });
    const chat = await server.post("/v1/chat/completions", { model, messages: [{ role: "user", content: "Hi" }] });
    expect(await chat.json()).toMatchObject({ error: { code: "recipe_unsupported" } });
    expect(hub.requests.length).toBe(before);
  });

  test("pull answers when the model is here, and as events tells the progress first", async () => {
    const plain = await server.post("/api/v1/pull", { model_name: `${REPO}:Q4_0` });
    expect(await plain.json()).toMatchObject({ status: "success", message: `Installed model: ${REPO}:Q4_0` });
    const events = await (await server.post("/api/v1/pull", { model_name: `${REPO}:Q8_0`, stream: true })).text();
    expect(events).toMatch(/^event: progress\ndata: \{"id":.*"bytes_total":\d+/);
    expect(events).toMatch(/event: complete\ndata: \{"status":"success".*\}\n\n$/);
  });

  test("a download goes on when its client leaves, can be paused, resumed and cancelled, and is joined by a second pull", async () => {
    hub.add("tester/large-GGUF", { files: { "large-Q4_0.gguf": patternBytes(30_000_000) } });
    hub.faults.add({ kind: "slow", bytesPerSecond: 3_000_000 });
    const model = "tester/large-GGUF:Q4_0";
    const started = await server.post("/api/v1/pull", { model_name: model, subscribe: false });
    const { download } = (await started.json()) as { download: { id: string } };
    const client = new AbortController();
    const joined = server.post("/api/v1/pull", { model_name: model }, { signal: client.signal });
    client.abort();
    expect(await joined.catch((error: unknown) => error)).toBeInstanceOf(Error);
    const state = async () => ((await (await server.fetch("/api/v1/downloads")).json()) as { data: { id: string; state: string }[] }).data;
    expect(await state()).toEqual([expect.objectContaining({ id: download.id, state: "running" })]);
    const control = async (action: string) => await (await server.post("/api/v1/downloads/control", { id: download.id, action })).json();
    expect(await control("pause")).toMatchObject({ download: { state: "paused" } });
    expect(await control("resume")).toMatchObject({ download: { state: "running" } });
    expect(await control("cancel")).toMatchObject({ status: "success" });
  });

  test("a download survives a restart of the server as one that can be resumed, and its name is registered then", async () => {
    hub.add("tester/late-GGUF", { files: { "late-Q4_0.gguf": buildTinyModel({ name: "late" }) } });
    hub.faults.add({ kind: "slow", bytesPerSecond: 200_000 });
    const request = { model_name: "user.Late", checkpoint: "tester/late-GGUF:Q4_0", recipe: "llamacpp", subscribe: false };
    const { download } = (await (await server.post("/api/v1/pull", request)).json()) as { download: { id: string } };
    await server.stop();
    hub.faults.clear();
    await using again = await startLemonade({ workspace, env });
    const { data } = (await (await again.fetch("/api/v1/downloads")).json()) as { data: unknown[] };
    expect(data).toEqual([expect.objectContaining({ id: download.id, model: "user.Late", state: "paused" })]);
    await again.post("/api/v1/downloads/control", { id: download.id, action: "resume" });
    await until("the model is registered", async () => (await again.fetch("/v1/models/user.Late")).ok);
    expect(await userModels()).toMatchObject({ Late: { checkpoint: "tester/late-GGUF:Q4_0" } });
  });

  test("a loaded model is deleted only when asked to unload it; an unknown name is 422", async () => {
    await server.post("/api/v1/load", { model_name: `${REPO}:Q4_0` });
    const refused = await server.post("/api/v1/delete", { model_name: `${REPO}:Q4_0` });
    expect(refused.status).toBe(409);
    expect(await server.models()).toHaveLength(1);
    const deleted = await server.post("/api/v1/delete", { model_name: `${REPO}:Q4_0`, unload: true });
    expect(await deleted.json()).toMatchObject({ status: "success", message: `Deleted model: ${REPO}:Q4_0` });
    expect(await server.models()).toEqual([]);
    expect((await server.post("/api/v1/delete", { model_name: "NonExistentModel" })).status).toBe(422);
  });

  test("the built-in model and files of the user's folders are not deleted", async () => {
    expect((await server.post("/api/v1/delete", { model_name: "tiny" })).status).toBe(409);
  });
});
