import { expect, test } from "bun:test";
import { createWorkspace, makeMisbehavingEngine, runCommand, startLemonade } from "../fixtures/index.ts";

test("load and unload do so in the running server, with options of the model, and tell what was done", async () => {
  await using workspace = await createWorkspace();
  const engine = await makeMisbehavingEngine(workspace, [{}]);
  await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
  const run = async (...words: string[]) => {
    const { code, stdout, stderr } = await runCommand(words, { workspace });
    return { code, stdout, stderr: code === 0 ? "" : stderr };
  };
  const optionsOf = async () => (await server.model("tiny")).recipe_options;
  const loaded = { code: 0, stdout: "Loaded model: tiny\n", stderr: "" };
  expect(await run("load", "tiny", "--ctx-size", "2048", "--llamacpp-args=--top-k 7", "--save-options")).toEqual(loaded);
  expect(await optionsOf()).toEqual({ ctx_size: 2048, llamacpp_args: "--top-k 7" });
  expect(await run("load", "tiny")).toEqual(loaded);
  expect(await optionsOf()).toEqual({ ctx_size: 2048, llamacpp_args: "--top-k 7" });
  expect(await run("load", "tiny", "--save-options")).toEqual(loaded);
  expect(await optionsOf()).toEqual({ ctx_size: 4096 });
  expect(await run("unload", "tiny")).toEqual({ code: 0, stdout: "Unloaded: tiny\n", stderr: "" });
  expect(await run("unload")).toEqual({ code: 0, stdout: "No model is loaded\n", stderr: "" });
  expect(await run("load", "tiny", "--llamacpp", "turbo")).toMatchObject({ code: 2, stderr: expect.stringContaining("vulkan") });
  expect(await run("load", "tiny", "--ctx-size", "4k")).toMatchObject({ code: 2, stderr: expect.stringContaining("4k") });
  expect(await run("load", "tiny", "--llamacpp", "rocm")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("`lemonade install llamacpp:rocm`"),
  });
  expect(await run("load", "nonsense")).toMatchObject({ code: 1, stderr: expect.stringContaining("nonsense") });
});

test("a server says which folder of models is not there, and starts", async () => {
  await using workspace = await createWorkspace();
  await using server = await startLemonade({ workspace, flags: ["--models-dir", "/nope"] });
  expect(server.log()).toContain("there is no folder /nope of models");
});

test("without a server a load says how to start one", async () => {
  await using workspace = await createWorkspace();
  const { code, stderr } = await runCommand(["load", "tiny"], { workspace });
  expect(code).not.toBe(0);
  expect(stderr).toContain("lemonade run tiny");
});
