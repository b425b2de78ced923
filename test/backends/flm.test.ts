import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { makeFakeFlm, type FakeFlm } from "../fixtures/flm/index.ts";
import { createWorkspace, runCommand, startLemonade, until, type Lemonade, type Workspace } from "../fixtures/index.ts";

const MODEL = "Llama-3.2-1B-FLM";
const TAG = "llama3.2:1b";
const MESSAGES = [{ role: "user" as const, content: "Hi" }];
let workspace: Workspace;
let flm: FakeFlm;
let env: Record<string, string>;

beforeEach(async () => {
  workspace = await createWorkspace();
  flm = await makeFakeFlm(join(workspace.folder, "flm"));
  env = { ...flm.env, RYZENAI_SKIP_PROCESSOR_CHECK: "1" };
});
afterEach(async () => await workspace[Symbol.asyncDispose]());

const lemonade = async (words: readonly string[], more: Record<string, string> = {}) =>
  await runCommand(words, { workspace, env: { ...env, ...more } });

// The fake program is a shell script.
describe.skipIf(process.platform === "win32")("models of FastFlowLM, by the command", () => {
  test("are listed where there is an NPU, and only there", async () => {
    expect((await lemonade(["list", "--all"])).stdout).toMatch(new RegExp(`${MODEL} +No`));
    expect((await lemonade(["list", "--all"], { RYZENAI_SKIP_PROCESSOR_CHECK: "" })).stdout).not.toContain(MODEL);
    const unfiltered = { RYZENAI_SKIP_PROCESSOR_CHECK: "", LEMONADE_DISABLE_MODEL_FILTERING: "1" };
    expect((await lemonade(["list", "--all"], unfiltered)).stdout).toContain(MODEL);
  });

  test("are pulled, listed and deleted by its own program", async () => {
    expect(await lemonade(["pull", MODEL])).toMatchObject({ code: 0, stdout: `Model pulled successfully: ${MODEL}\n` });
    expect(await flm.commands()).toContain(`pull ${TAG} --force`);
    expect((await lemonade(["list", "--downloaded"])).stdout).toMatch(new RegExp(`${MODEL} +Yes`));
    expect(await lemonade(["delete", MODEL])).toMatchObject({ code: 0, stdout: `Deleted model: ${MODEL}\n` });
    expect(await flm.commands()).toContain(`remove ${TAG}`);
    expect((await lemonade(["list", "--all"])).stdout).toMatch(new RegExp(`${MODEL} +No`));
  });

  test("get names of the user's own for any of its tags", async () => {
    const words = ["pull", "user.Small", "--checkpoint", "qwen3:0.6b", "--recipe", "flm"];
    expect((await lemonade(words)).code).toBe(0);
    expect((await lemonade(["list", "--downloaded"])).stdout).toMatch(/user\.Small +Yes/);
    expect((await lemonade(["delete", "user.Small"])).code).toBe(0);
    expect((await lemonade(["list", "--all"])).stdout).not.toContain("user.Small");
  });

  test("that it does not have cannot be pulled, which it says itself; nothing is registered", async () => {
    const failed = await lemonade(["pull", "user.None", "--checkpoint", "none:1b", "--recipe", "flm"]);
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining("Model not found: none:1b") });
    expect((await lemonade(["list", "--all"])).stdout).not.toContain("user.None");
    const hostile = await lemonade(["pull", "user.Bad", "--checkpoint", "--help", "--recipe", "flm"]);
    expect(hostile.code).not.toBe(0);
    expect(await flm.commands()).not.toContain("pull --help --force");
  });

  test("need the program, which is said with what it needs", async () => {
    const missing = await lemonade(["pull", MODEL], { PATH: "/usr/bin:/bin" });
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining("AMD Ryzen AI NPU") });
  });

  test("have an engine with a version in the list of engines", async () => {
    await flm.setVersion("v0.9.30");
    expect((await lemonade(["backends"])).stdout).toMatch(/flm +v0\.9\.30 +yes +Uses the NPU/);
  });
});

describe.skipIf(process.platform === "win32")("a server with FastFlowLM", () => {
  let server: Lemonade;
  beforeEach(async () => {
    server = await startLemonade({ workspace, env, flags: ["--ctx-size", "2048"] });
  });
  afterEach(async () => await server[Symbol.asyncDispose]());

  test("pulls it as a job, which two clients join, one may leave, and which is listed, cancelled and resumed", async () => {
    const letGo = await flm.holdPulls();
    const client = new AbortController();
    const left = server.post("/api/v1/pull", { model_name: MODEL }, { signal: client.signal }).catch(() => undefined);
    const jobs = async () => ((await (await server.fetch("/api/v1/downloads")).json()) as { data: { id: string; percent: number }[] }).data;
    await until("half of it is here", async () => (await jobs())[0]?.percent === 50);
    const waiting = server.post("/api/v1/pull", { model_name: "user.Same", checkpoint: TAG, recipe: "flm" });
    client.abort();
    await left;
    expect(await jobs()).toMatchObject([{ model: MODEL, repo: TAG, state: "running" }]);
    await letGo();
    expect((await waiting).status).toBe(200);
    expect((await flm.commands()).filter((command) => command.startsWith("pull"))).toHaveLength(1);
    expect((await server.fetch("/api/v1/models/user.Same")).status).toBe(200);
    const letGoAgain = await flm.holdPulls();
    const [{ id } = { id: "" }] = await jobs();
    await server.post("/api/v1/pull", { model_name: MODEL, subscribe: false });
    const control = async (action: string) => await (await server.post("/api/v1/downloads/control", { id, action })).json();
    expect(await control("pause")).toMatchObject({ download: { state: "paused" } });
    expect(await control("resume")).toMatchObject({ download: { state: "running" } });
    expect(await control("cancel")).toMatchObject({ download: { state: "cancelled" } });
    await letGoAgain();
  });

  test("pulls a model that a request names, starts it by its tag and asks it under that name", async () => {
    const answer = await server.openai.chat.completions.create({ model: MODEL, messages: MESSAGES });
    expect(answer.choices[0]?.message.content).toBe("The NPU answers.");
    const commands = await flm.commands();
    expect(commands).toContain(`pull ${TAG}`);
    expect(commands.some((command) => new RegExp(`^serve ${TAG} --ctx-len 2048 --port \\d+$`).test(command))).toBe(true);
    expect(await server.model(MODEL)).toMatchObject({ backend: "flm", state: "ready" });
  });

  test("streams to the last chunk, which has a finish reason", async () => {
    const stream = await server.openai.chat.completions.create({ model: MODEL, messages: MESSAGES, stream: true });
    let content = "";
    let finishReason: string | null | undefined;
    for await (const { choices } of stream) {
      content += choices[0]?.delta.content ?? "";
      finishReason = choices[0]?.finish_reason;
    }
    expect({ content, finishReason }).toEqual({ content: "The NPU answers.", finishReason: "stop" });
  });

  test("completes texts under the model's own name too", async () => {
    const answer = await server.post("/v1/completions", { model: MODEL, prompt: "Hi" });
    expect(answer.status).toBe(200);
  });

  test("refuses to delete a loaded model, ends its process when it is unloaded, and leaves none behind when it is killed", async () => {
    await server.post("/api/v1/load", { model_name: MODEL });
    expect((await server.post("/api/v1/delete", { model_name: MODEL })).status).toBe(409);
    const { pid } = await server.model(MODEL);
    await server.post("/api/v1/unload", { model_name: MODEL });
    expect(() => process.kill(pid, 0)).toThrow();
    await server.post("/api/v1/load", { model_name: MODEL });
    await server.kill();
    await workspace.quiet();
  });

  test("says that embeddings are not for such a model", async () => {
    const answer = await server.post("/v1/embeddings", { model: MODEL, input: "Hi" });
    expect(answer.status).toBe(422);
  });
});
