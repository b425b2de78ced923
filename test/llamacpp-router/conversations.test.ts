import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import {
  createWorkspace,
  describeWith,
  describeWithEachEngine,
  makeModels,
  rejection,
  runCommand,
  startLemonade,
  until,
  type Lemonade,
  type Workspace,
} from "../fixtures/index.ts";
import { RouterClient } from "./router-client.ts";

const ID = "conv-1";
/** So much that an answer does not end by itself before the test does. */
const LONG = ["--ctx-size", "200000"];
const QUERY = `conv_id=${ID}`;
const headers = { "x-conversation-id": ID, "content-type": "application/json" };
const chat = (model: string, { stream = true, max_tokens = 1_000_000 } = {}) =>
  JSON.stringify({ model, stream, max_tokens, temperature: 0, messages: [{ role: "user", content: "hello" }] });

describeWithEachEngine("a request with a conversation's id", (engine) => {
  let workspace: Workspace;
  let server: Lemonade;
  let client: RouterClient;
  beforeAll(async () => {
    workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "models"), ["endless"]);
    server = await startLemonade({ engine, workspace, flags: [...models.flags, ...LONG] });
    client = new RouterClient(server.url);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  });
  const idle = async () => await until("nothing is in flight", async () => (await server.model("endless")).in_flight === 0);
  const busy = async () =>
    await until("it is busy", async () =>
      (await server.models()).some(({ state, model_name }) => model_name === "endless" && state === "busy"),
    );

  test("ends when its client stops it, also while that reads", async () => {
    const response = await client.fetch("/v1/chat/completions", { method: "POST", body: chat("endless"), headers });
    const reader = response.body!.getReader();
    await reader.read();
    expect((await client.call("DELETE", `/v1/stream?${QUERY}`)).status).toBe(204);
    while (!(await reader.read()).done);
    await idle();
  });

  test("ends when its client leaves and nobody could come back to it, because it is no stream", async () => {
    const left = new AbortController();
    const body = chat("endless", { stream: false });
    const answer = client.fetch("/v1/chat/completions", { method: "POST", body, headers, signal: left.signal });
    await busy();
    left.abort();
    await rejection(answer);
    await idle();
  });

  test("is stopped by a new one of the same id", async () => {
    const first = await client.fetch("/v1/chat/completions", { method: "POST", body: chat("endless"), headers });
    const reader = first.body!.getReader();
    await reader.read();
    const second = await client.call("POST", "/v1/chat/completions", chat("endless", { max_tokens: 4 }), { headers });
    expect(second.status).toBe(200);
    while (!(await reader.read()).done);
    await idle();
  });
});

describeWith("embedded", "an engine that keeps no streams", (engine) => {
  test("works no longer when the client of a conversation has left", async () => {
    await using workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "models"), ["endless"]);
    await using server = await startLemonade({ engine, workspace, flags: [...models.flags, ...LONG] });
    const left = new AbortController();
    const init = { method: "POST", body: chat("endless"), headers, signal: left.signal };
    const reader = (await new RouterClient(server.url).fetch("/v1/chat/completions", init)).body!.getReader();
    await reader.read();
    left.abort();
    await reader.read().catch(() => {});
    await until("nothing is in flight", async () => (await server.model("endless")).in_flight === 0);
  });
});

describeWith("llamacpp", "conversations of two callers with the same id", (engine) => {
  test("are two: neither reads nor stops the other's", async () => {
    await using workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "models"), ["plain"]);
    const keyOf = async (name: string) => (await runCommand(["keys", "add", name, "--scopes", "infer"], { workspace })).stdout.trim();
    const [a, b] = [await keyOf("a"), await keyOf("b")];
    await using server = await startLemonade({ engine, workspace, flags: [...models.flags, ...LONG] });
    const clientOf = (key: string) => new RouterClient(server.url, { "x-api-key": key });
    const say = async (key: string, max_tokens: number) =>
      (await clientOf(key).call("POST", "/v1/chat/completions", chat("plain", { max_tokens }), { headers })).body;
    const replay = async (key: string) => await clientOf(key).call("GET", `/v1/stream?${QUERY}&from=0`);
    const [first, second] = [await say(a, 2), await say(b, 8)];
    expect(first).not.toBe(second);
    expect((await replay(a)).body).toBe(first);
    expect((await clientOf(a).call("DELETE", `/v1/stream?${QUERY}`)).status).toBe(204);
    expect((await replay(a)).status).toBe(404);
    expect((await replay(b)).body).toBe(second);
    const known = await clientOf(b).call("POST", "/v1/streams/lookup", { conversation_ids: [ID] });
    expect(known.body).toMatchObject([{ conversation_id: ID, is_done: true }]);
  });
});
