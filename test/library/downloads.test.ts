import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { buildTinyModel } from "../../src/model/tiny/index.ts";
import {
  createWorkspace,
  runCommand,
  startCommand,
  startLemonade,
  until,
  type Lemonade,
  type RunningCommand,
  type Workspace,
} from "../fixtures/index.ts";
import { Hub, patternBytes } from "../fixtures/hub/index.ts";

const LARGE = "t/large-GGUF:Q4_0";
const LARGE_BYTES = 12_000_000;
let hub: Hub;
let workspace: Workspace;
let env: Record<string, string>;

beforeAll(async () => void (hub = await Hub.start()));
afterAll(async () => await hub[Symbol.asyncDispose]());
beforeEach(async () => {
  workspace = await createWorkspace();
  env = { HF_ENDPOINT: hub.endpoint };
  hub.add("t/large-GGUF", { files: { "m-Q4_0.gguf": patternBytes(LARGE_BYTES) } });
});
afterEach(async () => {
  letGo();
  hub.faults.clear();
  await workspace[Symbol.asyncDispose]();
});

const lemonade = async (...words: string[]) => await runCommand(words, { workspace, env });
const userModels = async (): Promise<string[]> =>
  Object.keys(JSON.parse(await readFile(join(workspace.cacheDir, "user_models.json"), "utf8").catch(() => "{}")) as object);
const jobFiles = async (): Promise<string[]> => await readdir(join(workspace.cacheDir, "downloads")).catch(() => []);
const repositories = async (): Promise<string[]> =>
  (await readdir(join(workspace.folder, "huggingface", "hub")).catch(() => [])).filter((name) => name.startsWith("models--"));

let letGo = (): void => {};
/** Makes the hub slow, until it is let go: a pull of the large file takes seconds. */
function slowDown(): void {
  letGo = hub.faults.add({ kind: "slow", bytesPerSecond: 2_000_000 });
}
/** Lets one megabyte of each part through and no more. */
function stall(): void {
  const end = Promise.withResolvers<void>();
  const off = hub.faults.add({ kind: "stall", afterBytes: 1_000_000, until: end.promise });
  letGo = () => {
    off();
    end.resolve();
  };
}

interface Listed {
  readonly id: string;
  readonly model: string;
  readonly state: string;
  readonly bytes_done: number;
}
const downloadsOf = async (server: Lemonade): Promise<Listed[]> =>
  ((await (await server.fetch("/api/v1/downloads")).json()) as { data: Listed[] }).data;
const hasBytes = async (server: Lemonade, bytes = 1) =>
  await until("bytes have arrived", async () => (await downloadsOf(server)).some(({ bytes_done }) => bytes_done >= bytes));

/** Starts a pull and presses Ctrl-C once some of it is on the disk. */
async function interruptedPull(...words: string[]): Promise<{ code: number | null; stderr: string }> {
  const pulling = startCommand(["pull", ...words], { workspace, env });
  await until("a part has arrived", async () => (await arrived()) >= 500_000);
  pulling.child.kill("SIGINT");
  return await pulling.result;
}

async function arrived(): Promise<number> {
  const blobs = join(workspace.folder, "huggingface", "hub", "models--t--large-GGUF", "blobs");
  const names = await readdir(blobs).catch(() => []);
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(blobs, name)).catch(() => ({ size: 0 }))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

describe("without a server", () => {
  test("a new name whose pull was interrupted goes on by its name alone, and is registered then", async () => {
    slowDown();
    const { code, stderr } = await interruptedPull("user.Big", "--checkpoint", LARGE, "--recipe", "llamacpp");
    expect({ code, stderr }).toEqual({ code: 130, stderr: expect.stringContaining("Go on with: lemonade pull user.Big") });
    letGo();
    expect((await lemonade("pull", "user.Big")).code).toBe(0);
    expect(await userModels()).toEqual(["Big"]);
    expect(await jobFiles()).toEqual([]);
  });

  test("a pull of the same files for another purpose does not register what was given up", async () => {
    slowDown();
    await interruptedPull("user.Big", "--checkpoint", LARGE, "--recipe", "llamacpp");
    letGo();
    expect((await lemonade("pull", LARGE)).code).toBe(0);
    expect(await userModels()).toEqual([]);
  });

  test("delete also drops an interrupted download, of a place on the hub and of a name that was to be registered", async () => {
    for (const words of [[LARGE], ["user.Big", "--checkpoint", LARGE, "--recipe", "llamacpp"]]) {
      slowDown();
      await interruptedPull(...words);
      letGo();
      expect(await jobFiles()).toHaveLength(1);
      expect(await lemonade("delete", words[0] ?? "")).toMatchObject({ code: 0, stdout: `Deleted model: ${words[0]}\n` });
      expect(await jobFiles()).toEqual([]);
      expect(await repositories()).toEqual([]);
    }
  });

  test("what another process downloads is shown as that, and left alone", async () => {
    stall();
    const pulling = startCommand(["pull", LARGE], { workspace, env });
    await until("a part has arrived", async () => (await arrived()) >= 500_000);
    const [listed] = JSON.parse((await lemonade("downloads", "--json")).stdout) as Listed[];
    expect(listed).toMatchObject({ model: LARGE, state: "elsewhere" });
    expect((await lemonade("downloads")).stdout).toContain("running elsewhere");
    const { id = "" } = listed ?? {};
    const [record = ""] = await jobFiles();
    const remembered = async () => await readFile(join(workspace.cacheDir, "downloads", record), "utf8");
    const before = await remembered();
    for (const words of [
      ["downloads", "pause", id],
      ["downloads", "resume", id],
      ["downloads", "cancel", id],
      ["delete", LARGE],
    ]) {
      const { code, stderr } = await lemonade(...words);
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(`Another process (${pulling.child.pid})`) });
    }
    const second = startCommand(["pull", LARGE], { workspace, env });
    await hasSaid(second, LARGE);
    second.child.kill("SIGINT");
    expect((await second.result).code).toBe(130);
    expect(await remembered()).toBe(before);
    letGo();
    expect((await pulling.result).code).toBe(0);
    expect((await lemonade("downloads")).stdout).toContain("No downloads");
  });

  test("`downloads` lists what is unfinished, goes on with it, and cancels it", async () => {
    expect((await lemonade("downloads")).stdout).toContain("No downloads");
    slowDown();
    await interruptedPull(LARGE);
    letGo();
    const [listed] = JSON.parse((await lemonade("downloads", "--json")).stdout) as Listed[];
    expect(listed).toMatchObject({ model: LARGE, state: "paused" });
    const { id = "" } = listed ?? {};
    expect((await lemonade("downloads")).stdout).toMatch(new RegExp(`${LARGE} +${id} +paused +\\d+ % of 12 MB`));
    expect(await lemonade("downloads", "cancel", "000000000000")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("000000000000"),
    });
    expect((await lemonade("downloads", "resume", id)).stdout).toContain(`Model pulled successfully: ${LARGE}`);
    expect(await jobFiles()).toEqual([]);
    await lemonade("delete", LARGE);
    slowDown();
    await interruptedPull(LARGE);
    expect((await lemonade("downloads", "cancel", id)).stdout).toContain("cancelled");
    expect(await repositories()).toEqual([]);
  });
});

describe("through a server", () => {
  let server: Lemonade;
  beforeEach(async () => void (server = await startLemonade({ workspace, env })));
  afterEach(async () => await server[Symbol.asyncDispose]());
  const pull = async (body: object, init: RequestInit = {}) => await server.post("/api/v1/pull", body, init);

  test("two names for the same files, asked for at once, are both registered", async () => {
    stall();
    const both = ["user.A", "user.B"].map(async (model_name) => await pull({ model_name, checkpoint: LARGE, recipe: "llamacpp" }));
    await hasBytes(server);
    expect(await downloadsOf(server)).toHaveLength(1);
    letGo();
    for (const answer of both) expect((await answer).status).toBe(200);
    expect((await userModels()).toSorted()).toEqual(["A", "B"]);
  });

  test("Ctrl-C of one client does not stop what another waits for, and pauses what nobody else does", async () => {
    stall();
    const other = new AbortController();
    const waiting = pull({ model_name: LARGE, stop_on_disconnect: true }, { signal: other.signal }).catch(() => undefined);
    await hasBytes(server);
    const command = startCommand(["pull", LARGE], { workspace, env });
    await hasSaid(command, LARGE);
    command.child.kill("SIGINT");
    expect((await command.result).stderr).toContain("goes on for others");
    expect(await downloadsOf(server)).toMatchObject([{ state: "running" }]);
    other.abort();
    await waiting;
    await until("it is paused", async () => (await downloadsOf(server))[0]?.state === "paused");
    const again = startCommand(["pull", LARGE], { workspace, env });
    await hasSaid(again, LARGE);
    again.child.kill("SIGINT");
    expect(await again.result).toMatchObject({ code: 130, stderr: expect.stringContaining("Go on with") });
    expect(await downloadsOf(server)).toMatchObject([{ state: "paused" }]);
  });

  test("a client that wanted it stopped does not stop what was asked for without waiting", async () => {
    stall();
    await pull({ model_name: LARGE, subscribe: false });
    const client = new AbortController();
    const joined = pull({ model_name: LARGE, stop_on_disconnect: true }, { signal: client.signal }).catch(() => undefined);
    await hasBytes(server);
    client.abort();
    await joined;
    letGo();
    await until("it is done", async () => (await downloadsOf(server))[0]?.state === "done");
  });

  test("a pause and a cancel at once leave it cancelled", async () => {
    stall();
    const { download } = (await (await pull({ model_name: LARGE, subscribe: false })).json()) as { download: Listed };
    await hasBytes(server);
    const control = async (action: string) => await server.post("/api/v1/downloads/control", { id: download.id, action });
    await Promise.all(["pause", "cancel", "pause"].map(control));
    expect(await downloadsOf(server)).toMatchObject([{ state: "cancelled" }]);
    expect(await jobFiles()).toEqual([]);
    expect(await repositories()).toEqual([]);
  });

  test("the command pauses, resumes and cancels by id", async () => {
    stall();
    const { download } = (await (await pull({ model_name: LARGE, subscribe: false })).json()) as { download: Listed };
    for (const [action, state] of [
      ["pause", "paused"],
      ["resume", "running"],
      ["cancel", "cancelled"],
    ] as const) {
      expect(await lemonade("downloads", action, download.id)).toMatchObject({
        code: 0,
        stdout: `The download of ${LARGE} is ${state}\n`,
      });
    }
  });

  test("half of a repository of another recipe does not count as downloaded", async () => {
    hub.add("amd/Llama-3.2-1B-Instruct-awq-uint4-float16-cpu-onnx", {
      files: { "genai_config.json": "{}", "model.onnx": patternBytes(1000) },
    });
    const off = hub.faults.add({ kind: "status", status: 404 });
    const model = "Llama-3.2-1B-Instruct-CPU";
    expect((await pull({ model_name: model })).ok).toBe(false);
    const isHere = async () => ((await (await server.fetch(`/api/v1/models/${model}`)).json()) as { downloaded: boolean }).downloaded;
    expect(await isHere()).toBe(false);
    off();
    expect((await pull({ model_name: model })).ok).toBe(true);
    expect(await isHere()).toBe(true);
  });

  test("fields of Lemonade's clients are understood: `model` before `model_name`, a flag as text", async () => {
    hub.add("t/small-GGUF", { files: { "m-Q4_0.gguf": buildTinyModel({ name: "small" }) } });
    const body = { model: "user.S", model_name: "ignored", checkpoint: "t/small-GGUF:Q4_0", recipe: "llamacpp" };
    expect(await (await pull({ ...body, reasoning: "True", vision: "false" })).json()).toMatchObject({ model_name: "user.S" });
    expect(JSON.parse(await readFile(join(workspace.cacheDir, "user_models.json"), "utf8"))).toMatchObject({
      S: { labels: ["custom", "reasoning"] },
    });
  });
});

/** Waits until a command writes a word to its stderr, which its result collects too. */
async function hasSaid({ child }: RunningCommand, word: string): Promise<void> {
  await new Promise<void>((resolve) => child.stderr?.on("data", (chunk: Buffer) => chunk.toString().includes(word) && resolve()));
}
