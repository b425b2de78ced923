import { afterEach, beforeEach, expect, test } from "bun:test";
import { connect } from "node:net";
import { join } from "node:path";
import { createWorkspace, describeWith, makeModels, startLemonade, until, type Lemonade, type Workspace } from "../fixtures/index.ts";
import { addToHubCache } from "./hub-cache.ts";
import { makeGatedEngine, type GatedEngine } from "./real-router.ts";
import { RouterClient } from "./router-client.ts";

/** Slashes and a colon in the name: it travels in the query. */
const MODEL = "ggml-org/tinygemma3-GGUF:Q8_0";
const ID = `conv-stream-test::${MODEL}`;
const QUERY = new URLSearchParams({ conv_id: ID }).toString();
const chat = (model = MODEL, maxTokens = 16) =>
  JSON.stringify({ model, stream: true, max_tokens: maxTokens, temperature: 0, messages: [{ role: "user", content: "hello" }] });
const headers = { "x-conversation-id": ID, "content-type": "application/json" };

describeWith("llamacpp", "a stream that a client comes back to", () => {
  let workspace: Workspace;
  let gated: GatedEngine;
  let server: Lemonade;
  let client: RouterClient;
  beforeEach(async () => {
    workspace = await createWorkspace();
    await addToHubCache(workspace, "ggml-org/tinygemma3-GGUF", "tinygemma3-Q8_0.gguf");
    const models = await makeModels(join(workspace.folder, "models"), ["endless"]);
    gated = await makeGatedEngine(workspace);
    server = await startLemonade({ workspace, flags: [...gated.flags, ...models.flags, "--models-max", "1"] });
    client = new RouterClient(server.url);
  });
  afterEach(async () => {
    await server[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  });
  const replay = async (from = 0) => await client.call("GET", `/v1/stream?${QUERY}&from=${from}`);

  test("is replayed from any offset, and gone once it is stopped", async () => {
    await gated.open();
    const first = await client.call("POST", "/v1/chat/completions", chat(), { headers });
    expect(first.status).toBe(200);
    const whole = await replay();
    expect(whole).toMatchObject({ status: 200, type: expect.stringContaining("text/event-stream") });
    expect(whole.body).toBe(first.body as string);
    expect((await replay(20)).body).toBe((first.body as string).slice(20));
    const found = await client.call("POST", "/v1/streams/lookup", { conversation_ids: [ID, "another"] });
    expect(found.body).toMatchObject([{ conversation_id: ID, is_done: true }]);
    expect((await client.call("DELETE", `/v1/stream?${QUERY}`)).status).toBe(204);
    expect((await replay()).status).toBe(404);
    expect((await client.call("POST", "/v1/streams/lookup", { conversation_ids: [ID] })).body).toEqual([]);
  });

  test("ends with an error when it is stopped while its model loads", async () => {
    const pending = client.call("POST", "/v1/chat/completions", chat(), { headers });
    await client.reaches(MODEL, "loading");
    expect((await replay()).status).toBe(503);
    expect((await client.call("DELETE", `/v1/stream?${QUERY}`)).status).toBe(204);
    const { status, body } = await pending;
    expect(status).toBe(400);
    expect(JSON.stringify(body)).toContain("cancelled");
    expect((await replay()).status).toBe(404);
  });

  test("is made to its end for a client that left while its model loaded", async () => {
    const socket = connect(server.port, "127.0.0.1");
    const body = chat();
    const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Conversation-Id: ${ID}\r\nContent-Length: ${body.length}\r\n\r\n`;
    socket.write(head + body);
    await client.reaches(MODEL, "loading");
    socket.destroy();
    expect((await replay()).status).toBe(503);
    await gated.open();
    const whole = await until("the stream is there", async () => {
      const answer = await replay();
      return answer.status === 200 && (answer.body as string).includes("[DONE]") ? (answer.body as string) : undefined;
    });
    expect(whole).toStartWith("data: ");
    await until("nothing is in flight", async () => (await server.model(MODEL)).in_flight === 0);
  });

  test("goes on when its client leaves, keeps its model from being evicted, and is found again", async () => {
    await gated.open();
    const left = new AbortController();
    const response = await client.fetch("/chat/completions", {
      method: "POST",
      body: chat("endless", 100_000),
      headers,
      signal: left.signal,
    });
    const reader = response.body!.getReader();
    await reader.read();
    left.abort();
    await reader.read().catch(() => {});
    expect(await server.model("endless")).toMatchObject({ state: "busy", in_flight: 1 });
    expect((await client.call("POST", "/models/load", { model: MODEL })).status).toBe(500); // Its place is taken.
    const resumed = await client.fetch(`/v1/stream?${QUERY}&from=0`);
    expect(resumed.status).toBe(200);
    const again = resumed.body!.getReader();
    expect(new TextDecoder().decode((await again.read()).value)).toStartWith("data: ");
    expect((await client.call("DELETE", `/v1/stream?${QUERY}`)).status).toBe(204);
    while (!(await again.read()).done);
    await until("nothing is in flight", async () => (await server.model("endless")).in_flight === 0);
  });

  test("a new request with the same id stops one that still waits", async () => {
    const first = client.call("POST", "/v1/chat/completions", chat(), { headers });
    await client.reaches(MODEL, "loading");
    const second = client.call("POST", "/v1/chat/completions", chat(), { headers });
    expect((await first).status).toBe(400);
    await gated.open();
    expect((await second).status).toBe(200);
    expect((await replay()).body).toBe((await second).body as string);
  });
});
