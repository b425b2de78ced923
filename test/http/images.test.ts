import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildTinyModel, TINY_SENTENCE } from "../../src/model/tiny/index.ts";
import {
  buildTinyProjector,
  createWorkspace,
  describeWith,
  describeWithEachEngine,
  pictureUrl,
  startLemonade,
  type Lemonade,
  type Workspace,
} from "../fixtures/index.ts";

const RED = pictureUrl([255, 0, 0]);
const BLUE = pictureUrl([0, 0, 255], { side: 64 });
const ask = (url: string) => [
  {
    role: "user" as const,
    content: [
      { type: "text" as const, text: "What do you see? " },
      { type: "image_url" as const, image_url: { url } },
    ],
  },
];

async function startWithEyes(engine: "llamacpp" | "embedded", workspace: Workspace): Promise<Lemonade> {
  const folder = join(workspace.folder, "models", "seeing");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "seeing.gguf"), buildTinyModel({ name: "seeing" }));
  await writeFile(join(folder, "mmproj-seeing.gguf"), buildTinyProjector());
  return await startLemonade({ engine, workspace, flags: ["--models-dir", join(workspace.folder, "models")] });
}

describeWith("llamacpp", "a model with a projector", (engine) => {
  let workspace: Workspace;
  let server: Lemonade;
  beforeAll(async () => {
    workspace = await createWorkspace();
    server = await startWithEyes(engine, workspace);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  });

  test("is listed as one that sees", async () => {
    const model: unknown = await (await server.fetch("/v1/models/seeing")).json();
    expect(model).toMatchObject({ labels: ["vision"], architecture: { input_modalities: ["text", "image"] } });
  });

  test("answers by what the picture shows, streamed or not", async () => {
    const body = { model: "seeing", temperature: 0, max_tokens: 32 };
    const answer = async (url: string) =>
      (await server.openai.chat.completions.create({ ...body, messages: ask(url) })).choices[0]?.message.content;
    expect(await answer(RED)).toStartWith("One one one");
    expect(await answer(BLUE)).toBe(TINY_SENTENCE);
    const events = await server.openai.chat.completions.create({ ...body, messages: ask(RED), stream: true });
    const text = (await Array.fromAsync(events)).map(({ choices }) => choices[0]?.delta.content ?? "").join("");
    expect(text).toStartWith("One one one");
  });

  test("sees a picture that comes with turns of the user in a row, as the earlier page sends them", async () => {
    const messages = [{ role: "user", content: "Wait." }, ...ask(RED)];
    const response = await server.post("/api/v1/chat/completions", { model: "seeing", temperature: 0, max_tokens: 8, messages });
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: expect.stringMatching(/^One one/) } }] });
  });

  test("sees a picture of the Responses API", async () => {
    const content = [
      { type: "input_text" as const, text: "What do you see? " },
      { type: "input_image" as const, image_url: RED, detail: "auto" as const },
    ];
    const response = await server.openai.responses.create({
      model: "seeing",
      temperature: 0,
      max_output_tokens: 8,
      input: [{ role: "user", content }],
    });
    expect(response.output_text).toStartWith("One one");
  });

  test("refuses what is no picture, as a mistake of the request", async () => {
    const response = await server.post("/v1/chat/completions", {
      model: "seeing",
      messages: ask("data:image/png;base64,bm8gcGljdHVyZQ=="),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { type: "invalid_request_error" }, detail: expect.any(String) });
  });
});

describeWithEachEngine("a picture for a model without a projector", (engine) => {
  test("is refused with 400 and the reason, also as a stream", async () => {
    await using server = await startLemonade({ engine });
    for (const stream of [false, true]) {
      const response = await server.post("/api/v1/chat/completions", { model: "tiny", messages: ask(RED), stream });
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({
        error: { type: "invalid_request_error", message: expect.stringContaining("image input is not supported") },
        detail: expect.stringContaining("image input is not supported"),
      });
    }
  });
});

describeWith("embedded", "a picture for a model whose projector the engine cannot use", (engine) => {
  test("is refused with 400, and the reason names the engine", async () => {
    await using workspace = await createWorkspace();
    await using server = await startWithEyes(engine, workspace);
    const response = await server.post("/v1/chat/completions", { model: "seeing", messages: ask(RED) });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ detail: expect.stringContaining("the embedded engine") });
  });
});
