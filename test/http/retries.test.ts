import { afterAll, beforeAll, expect, test } from "bun:test";
import OpenAI from "openai";
import { createWorkspace, describeWithEachEngine, makeMisbehavingEngine, startLemonade, type Lemonade } from "../fixtures/index.ts";

/** OpenAI's client as it is when nobody has told it anything, and how many requests it has sent. */
function clientOf(server: Lemonade) {
  const counter = { requests: 0 };
  const counting = async (url: string | URL | Request, init?: RequestInit) => {
    counter.requests++;
    return await fetch(url, { ...init, keepalive: false });
  };
  return { counter, client: new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none is needed", fetch: counting }) };
}

const IMAGE = { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } } as const;

describeWithEachEngine("what would fail again", (engine) => {
  let server: Lemonade;
  beforeAll(async () => {
    server = await startLemonade({ engine, env: { LEMONADE_OFFLINE: "1" } });
  });
  afterAll(async () => await server[Symbol.asyncDispose]());

  const failure = async (model: string, content: OpenAI.Chat.ChatCompletionContentPart[] | string) => {
    const { client, counter } = clientOf(server);
    const error: unknown = await client.chat.completions.create({ model, messages: [{ role: "user", content }] }).catch((e: unknown) => e);
    return { status: (error as { status?: number }).status, requests: counter.requests };
  };

  test("is asked for once: a model that is not here and cannot be fetched", async () => {
    expect(await failure("Qwen3-0.6B-GGUF", "hi")).toEqual({ status: 503, requests: 1 });
  });

  test("is asked for once: an image for a model that sees none, which is the mistake of the client", async () => {
    expect(await failure("tiny", [IMAGE])).toEqual({ status: 400, requests: 1 });
  });
});

test("an engine that has failed at a request is not asked again; one that is not ready, or has died, may be", async () => {
  await using workspace = await createWorkspace();
  const failing = [500, 501, 503].map((status) => ({ kind: "status", status, body: '{"error":{"message":"no"}}' }) as const);
  const engine = await makeMisbehavingEngine(workspace, [{ answers: [...failing, { kind: "crash" }] }, { answers: [{ kind: "crash" }] }]);
  await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
  const answers = [];
  for (let i = 0; i < 4; i++) {
    const { status, headers } = await server.post("/v1/chat/completions", { model: "tiny", messages: [] });
    answers.push([status, headers.get("x-should-retry")]);
  }
  expect(answers).toEqual([
    [500, "false"],
    [501, "false"],
    [503, null],
    [502, "true"],
  ]);
});

test("a page can read it, too", async () => {
  await using server = await startLemonade();
  const { headers } = await server.fetch("/v1/models/no-such-model", { headers: { origin: "http://localhost:3000" } });
  expect(headers.get("x-should-retry")).toBe("false");
  expect(headers.get("access-control-expose-headers")).toContain("x-should-retry");
});
