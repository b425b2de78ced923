import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { buildTinyModel, TINY_SENTENCE } from "../../src/model/tiny/index.ts";
import { describeWithEachEngine, residentBytes, startLemonade, until, type Lemonade } from "../fixtures/index.ts";

const MODEL = Uint8Array.from(buildTinyModel({}));

/** The form in the order in which Lemonade's page fills it. */
function formOf(fields: Readonly<Record<string, string>>, files: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>>): FormData {
  const form = new FormData();
  const { model_name = "user.Mine", checkpoint = "Folder", recipe = "llamacpp", reasoning = "false", vision = "false", ...rest } = fields;
  for (const [name, value] of Object.entries({ model_name, checkpoint, recipe, reasoning, vision, ...rest })) form.set(name, value);
  for (const [path, content] of Object.entries(files)) form.append("model_files", new Blob([content]), path);
  return form;
}

describeWithEachEngine("a model uploaded by its files", (engine) => {
  let server: Lemonade;
  beforeAll(async () => {
    server = await startLemonade({ engine });
  });
  afterAll(async () => await server[Symbol.asyncDispose]());

  test("is listed, answers, survives a second upload of its name, and goes with its files", async () => {
    const form = formOf({ checkpoint: "Folder:b", reasoning: "true" }, { "Folder/a.gguf": "no model", "Folder/sub/b.gguf": MODEL });
    const response = await server.fetch("/api/v1/add-local-model", { method: "POST", body: form });
    expect([response.status, await response.json()]).toEqual([
      200,
      { status: "success", message: "Model user.Mine uploaded and registered successfully", model_name: "user.Mine" },
    ]);
    const listed = (await server.openai.models.list()).data.find(({ id }) => id === "user.Mine");
    expect(listed).toMatchObject({ checkpoint: "models--Mine/sub/b.gguf", labels: ["custom", "reasoning"], downloaded: true });
    const again = await server.fetch("/api/v1/add-local-model", { method: "POST", body: formOf({}, { "Folder/a.gguf": MODEL }) });
    expect([again.status, ((await again.json()) as { detail: string }).detail]).toEqual([409, expect.stringContaining("user.Mine")]);
    const { choices } = await server.openai.chat.completions.create({ model: "user.Mine", messages: [{ role: "user", content: "hi" }] });
    expect(choices[0]?.message.content).toBe(TINY_SENTENCE);
    expect((await server.post("/api/v1/pull", { model_name: "user.Mine" })).status).toBe(200);
    const deleted = await server.post("/api/v1/delete", { model_name: "user.Mine", unload: true });
    expect(await deleted.json()).toMatchObject({ status: "success", freed_bytes: MODEL.length + "no model".length });
    expect(await readdir(join(server.workspace.folder, "huggingface", "hub"))).toEqual([]);
    expect((await server.fetch("/api/v1/models/user.Mine")).status).toBe(404);
  });
});

describe("uploads", () => {
  let server: Lemonade;
  const hub = () => join(server.workspace.folder, "huggingface", "hub");
  beforeAll(async () => {
    server = await startLemonade();
  });
  afterAll(async () => await server[Symbol.asyncDispose]());
  const upload = async (body: FormData | string, headers: Record<string, string> = {}) => {
    const response = await server.fetch("/api/v1/add-local-model", { method: "POST", body, headers });
    return { status: response.status, detail: ((await response.json()) as { detail?: string }).detail };
  };

  test("a wrong form is refused with a sentence, and leaves no file", async () => {
    const gguf = { "Folder/a.gguf": MODEL };
    const cases: readonly (readonly [number, FormData | string])[] = [
      [400, formOf({}, {})],
      [400, formOf({ model_name: "Mine" }, gguf)],
      [400, formOf({ model_name: "user.../../x" }, gguf)],
      [400, formOf({ recipe: "flm" }, gguf)],
      [400, formOf({ vision: "yes" }, gguf)],
      [400, formOf({}, { "Folder/readme.md": "hi" })],
      [400, formOf({}, { ...gguf, "Folder/../../../escaped.gguf": MODEL })],
      [400, formOf({}, { "/etc/escaped.gguf": MODEL })],
      [400, formOf({}, { "C:\\escaped.gguf": MODEL })],
      [400, formOf({ model_name: "x".repeat(70_000) }, gguf)],
      [404, formOf({ checkpoint: "Folder:Q9" }, gguf)],
      [422, formOf({}, { "Folder/a.gguf": "no model" })],
      [400, '{"model_name":"user.Mine"}'],
    ];
    for (const [status, body] of cases) {
      const answer = await upload(body);
      expect([answer.status, answer.detail]).toEqual([status, expect.any(String)]);
    }
    expect(await readdir(hub())).toEqual([]);
  });

  test("fields without end are refused", async () => {
    const fields = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`field-${i}`, "x".repeat(10_000)]));
    const response = await server.fetch("/api/v1/add-local-model", { method: "POST", body: formOf(fields, {}) });
    expect([response.status, ((await response.json()) as { detail: string }).detail]).toEqual([400, expect.stringContaining("too long")]);
  });

  test("a client that leaves in the middle leaves no file", async () => {
    const socket = connect(server.port, "127.0.0.1");
    const head = '--x\r\nContent-Disposition: form-data; name="model_files"; filename="F/a.gguf"\r\n\r\nbeginning';
    const lines = [
      "POST /api/v1/add-local-model HTTP/1.1",
      "Host: localhost",
      "Content-Type: multipart/form-data; boundary=x",
      "Content-Length: 100000",
    ];
    socket.write(`${lines.join("\r\n")}\r\n\r\n${head}`);
    await until("the upload has begun", async () => (await readdir(hub())).length === 1);
    socket.destroy();
    await until("nothing is left of it", async () => (await readdir(hub())).length === 0);
  });

  test("a gigabyte passes through a little memory", async () => {
    const before = await residentBytes(server.pid);
    let peak = before;
    let sent = 0;
    const piece = new Uint8Array(2 ** 20);
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      start: (controller) =>
        controller.enqueue(encoder.encode('--x\r\nContent-Disposition: form-data; name="model_files"; filename="F/big.bin"\r\n\r\n')),
      async pull(controller) {
        controller.enqueue(piece);
        sent += piece.length;
        if (sent % 2 ** 24 === 0) peak = Math.max(peak, await residentBytes(server.pid));
        if (sent >= 2 ** 30) {
          controller.enqueue(encoder.encode("\r\n--x--\r\n"));
          controller.close();
        }
      },
    });
    const response = await server.fetch("/api/v1/add-local-model", {
      method: "POST",
      body,
      headers: { "content-type": "multipart/form-data; boundary=x" },
    });
    expect(response.status).toBe(400); // It said nothing of a model.
    expect(await readdir(hub())).toEqual([]);
    process.stdout.write(`      1 GiB took ${((peak - before) / 2 ** 20).toFixed(0)} MiB of memory\n`);
    expect(peak - before).toBeLessThan(200 * 2 ** 20);
  });

  test("other bodies are limited, also those that do not tell their size", async () => {
    const endless = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(2 ** 20).fill(32)) });
    const leave = new AbortController();
    const response = await server.fetch("/v1/completions", { method: "POST", body: endless, signal: leave.signal });
    expect([response.status, await response.json()]).toEqual([413, expect.objectContaining({ status: "error" })]);
    leave.abort();
  });
});
