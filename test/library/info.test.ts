import { afterAll, beforeAll, expect, test } from "bun:test";
import { buildTinyModel } from "../../src/model/tiny/index.ts";
import { createWorkspace, runCommand, type Workspace } from "../fixtures/index.ts";
import { Hub } from "../fixtures/hub/index.ts";

const REPO = "tester/vision-GGUF";
const MODEL = buildTinyModel({ name: "vision" });
const PROJECTOR = buildTinyModel({ name: "projector" });

let hub: Hub;
let workspace: Workspace;
beforeAll(async () => {
  hub = await Hub.start();
  workspace = await createWorkspace();
  hub.add(REPO, { files: { "vision-Q8_0.gguf": MODEL, "mmproj-F16.gguf": PROJECTOR, "config.json": "{}" } });
  hub.add("tester/page-GGUF", { files: { "page-Q8_0.gguf": "<!DOCTYPE html><html><body>Sorry</body></html>" } });
  hub.add("amd/onnx", { files: { "model.onnx": "weights", "genai_config.json": "{}" } });
});
afterAll(async () => {
  await workspace[Symbol.asyncDispose]();
  await hub[Symbol.asyncDispose]();
});

const lemonade = async (words: readonly string[], env: Record<string, string> = {}) =>
  await runCommand(words, { workspace, env: { HF_ENDPOINT: hub.endpoint, ...env } });

interface Info {
  readonly downloaded: boolean;
  readonly files: readonly { path: string; size: number }[];
  readonly architecture: string;
  readonly memory: { readonly weights: number; readonly ctx_size: number; readonly fits: boolean; readonly fits_now: boolean };
}
const infoOf = async (model: string): Promise<Info> => JSON.parse((await lemonade(["info", model, "--json"])).stdout) as Info;

test("info says what a model's files hold and need, before it is pulled as well as after", async () => {
  const model = ["user.Sees", "--checkpoint", `${REPO}:Q8_0`, "--recipe", "llamacpp", "--vision", "--mmproj", "mmproj-F16.gguf"];
  const before = await infoOf(`${REPO}:Q8_0`);
  expect(before).toMatchObject({ downloaded: false, architecture: "llama", memory: { ctx_size: 4096, fits: true } });
  expect(before.files.map(({ path }) => path).toSorted()).toEqual(["config.json", "vision-Q8_0.gguf"]);
  expect((await lemonade(["pull", ...model])).code).toBe(0);
  const after = await infoOf("user.Sees");
  expect(after).toMatchObject({ downloaded: true, architecture: "llama" });
  // A projector is loaded whole beside the model.
  expect(after.memory.weights).toBe(before.memory.weights + PROJECTOR.length);
  const { stdout } = await lemonade(["info", "user.Sees", "--ctx-size", "512"]);
  expect(stdout).toMatch(/^Downloaded +Yes$/m);
  expect(stdout).toMatch(/^Architecture +llama, \S+ parameters, \S+$/m);
  expect(stdout).toMatch(/^Memory +\d+ .B with a context of 512 tokens, fits into this machine's [\d.]+ GB$/m);
  expect(stdout).toMatch(/^Files .*vision-Q8_0.gguf\n.*mmproj-F16.gguf$/m);
});

test("info of a model without a GGUF header lists its files", async () => {
  const { code, stdout } = await lemonade(["info", "Llama-ONNX"], { LEMONADE_REGISTRY: await registry({ "Llama-ONNX": "amd/onnx" }) });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Recipe +oga-cpu$/m);
  expect(stdout).toContain("model.onnx");
  expect(stdout).not.toContain("Memory");
});

test("info refuses what is no model, and says why it cannot know of one that is not here", async () => {
  expect(await lemonade(["info", "tester/page-GGUF:Q8_0"])).toMatchObject({ code: 1, stderr: expect.stringMatching(/HTML/i) });
  const offline = await lemonade(["info", "tester/other-GGUF:Q8_0"], { LEMONADE_OFFLINE: "1" });
  expect(offline).toMatchObject({ code: 1, stderr: expect.stringMatching(/not on this disk; .*offline mode is on/) });
});

async function registry(checkpoints: Readonly<Record<string, string>>): Promise<string> {
  const path = `${workspace.folder}/registry.json`;
  const models = Object.entries(checkpoints).map(([name, checkpoint]) => [name, { checkpoint, recipe: "oga-cpu" }]);
  await Bun.write(path, JSON.stringify(Object.fromEntries(models)));
  return path;
}
