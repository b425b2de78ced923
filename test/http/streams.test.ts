import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { TINY_SENTENCE } from "../../src/model/tiny/index.ts";
import {
  createWorkspace,
  describeWithEachEngine,
  makeModels,
  startLemonade,
  until,
  type Lemonade,
  type Workspace,
} from "../fixtures/index.ts";

const HELLO = [{ role: "user" as const, content: "hi" }];

describeWithEachEngine("streams", (engine) => {
  let workspace: Workspace;
  let server: Lemonade;
  beforeAll(async () => {
    workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "models"), ["endless"]);
    // A context in which the endless model goes on for minutes.
    server = await startLemonade({
      engine,
      workspace,
      flags: [...models.flags, "--max-loaded-models", "2", "--ctx-size", "200000", "--log-level", "debug"],
    });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  });
  const stream = async (model: string, signal?: AbortSignal) => {
    const body = { model, messages: HELLO, temperature: 0, stream: true, max_tokens: -1 };
    const response = await server.post("/v1/chat/completions", body, signal ? { signal } : {});
    expect(response.status).toBe(200);
    return response;
  };

  test("64 at once all bring the whole sentence", async () => {
    const answers = await Promise.all(
      Array.from({ length: 64 }, async () => {
        const chunks = await Array.fromAsync(
          await server.openai.chat.completions.create({ model: "tiny", messages: HELLO, temperature: 0, stream: true }),
        );
        return chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
      }),
    );
    expect(new Set(answers)).toEqual(new Set([TINY_SENTENCE]));
    await until("every lease is given back", async () => (await server.model("tiny")).in_flight === 0);
  });

  test("150 requests in a row never meet a closed connection", async () => {
    for (let i = 0; i < 150; i++) {
      const { usage } = await server.openai.chat.completions.create({ model: "tiny", messages: HELLO, max_tokens: 1 });
      expect(usage?.completion_tokens).toBe(1);
    }
  });

  test("a request of 20 MB is read and answered", async () => {
    const body = { model: "tiny", messages: HELLO, temperature: 0, padding: "lemon ".repeat(3_500_000) };
    const { choices } = (await (await server.post("/v1/chat/completions", body)).json()) as { choices: { message: { content: string } }[] };
    expect(choices[0]?.message.content).toBe(TINY_SENTENCE);
  });

  test("a client that hangs up stops the engine's work", async () => {
    const client = new AbortController();
    const response = await stream("endless", client.signal);
    const reader = response.body!.getReader();
    await reader.read();
    const { backend_url } = await server.model("endless");
    await until("the engine works", async () => await isWorking(backend_url));
    const leftMs = performance.now();
    client.abort();
    await until("the engine rests", async () => !(await isWorking(backend_url)));
    const tookMs = performance.now() - leftMs;
    process.stdout.write(`      the ${engine} engine rests ${tookMs.toFixed(1)} ms after the client has left\n`);
    await until("the lease is given back", async () => (await server.model("endless")).in_flight === 0);
  });

  test("a client that hangs up before its whole answer stops the engine's work, too", async () => {
    const client = new AbortController();
    await server.post("/api/v1/load", { model_name: "endless" });
    const { backend_url } = await server.model("endless");
    const body = { model: "endless", messages: HELLO, stream: false, max_tokens: -1 };
    const asked = server.post("/v1/chat/completions", body, { signal: client.signal }).catch((error: unknown) => error);
    await until("the engine works", async () => await isWorking(backend_url));
    const before = server.log().length;
    client.abort();
    await asked;
    // llama-server looks after such a client once a second, provided that nothing else happens in that second: asking for its
    // slots would keep it from looking, so its log has to tell.
    if (engine === "llamacpp") await until("the engine says so", () => server.log().slice(before).includes("stop processing"));
    await until("the engine rests", async () => !(await isWorking(backend_url)));
  });

  test("an engine that is killed in the middle costs an error event, and the next request loads it again", async () => {
    const response = await stream("endless");
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader.read()).value ?? "";
    const { pid } = await server.model("endless");
    process.kill(pid, "SIGKILL");
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) text += piece.value;
    expect(text).toEndWith("\n\n");
    const events = text
      .slice(0, -2)
      .split("\n\n")
      .map((event) => JSON.parse(event.slice("data: ".length)) as Record<string, unknown>);
    expect(events.at(-1)).toEqual({ error: expect.objectContaining({ code: "instance_exited" }) });
    expect(events.slice(0, -1).filter((event) => !("choices" in event))).toEqual([]);
    const { usage } = await server.openai.chat.completions.create({ model: "endless", messages: HELLO, max_tokens: 5 });
    expect(usage?.completion_tokens).toBe(5);
    expect((await server.model("endless")).pid).not.toBe(pid);
  });
});

/** Whether any slot of the engine is at work; both engines tell it in llama-server's words. */
async function isWorking(backendUrl: string): Promise<boolean> {
  const response = await fetch(new URL("/slots", backendUrl));
  return ((await response.json()) as { is_processing: boolean }[]).some(({ is_processing }) => is_processing);
}
