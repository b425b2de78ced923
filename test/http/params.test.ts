import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { createWorkspace, makeMisbehavingEngine, startLemonade, type Lemonade, type Workspace } from "../fixtures/index.ts";

const DEFAULTS = { temperature: 0.7, top_p: 0.95, top_k: 50, min_length: 0, max_length: 2048, do_sample: true };
const NOTHING = { temperature: null, top_p: null, top_k: null, max_length: null, do_sample: null };
const CHAT = { model: "tiny", messages: [{ role: "user", content: "hi" }] };

let workspace: Workspace;
let server: Lemonade;
beforeAll(async () => {
  workspace = await createWorkspace();
  const engine = await makeMisbehavingEngine(workspace, [{}]);
  server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await workspace[Symbol.asyncDispose]();
});

const set = async (params: Readonly<Record<string, unknown>>) => await server.post("/api/v1/params", params);
beforeEach(async () => void (await set(NOTHING)));
/** What the engine gets of a request. */
const sent = async (body: Readonly<Record<string, unknown>>, path = "/v1/chat/completions"): Promise<unknown> =>
  JSON.parse(((await (await server.post(path, body)).json()) as { body: string }).body);

test("parameters hold for requests that say nothing of their own, and are told as they now are", async () => {
  const answer = await (await set({ temperature: 0.1, top_k: 7, max_length: 99 })).json();
  expect(answer).toMatchObject({ status: "success", params: { ...DEFAULTS, temperature: 0.1, top_k: 7, max_length: 99 } });
  expect(await sent(CHAT)).toEqual({ ...CHAT, temperature: 0.1, top_k: 7, max_tokens: 99 });
  expect(await sent({ ...CHAT, temperature: 0.9, max_completion_tokens: 5 })).toEqual({
    ...CHAT,
    temperature: 0.9,
    max_completion_tokens: 5,
    top_k: 7,
  });
  const response = { model: "tiny", input: "hi", max_output_tokens: 5 };
  expect(await sent(response, "/v1/responses")).toEqual({ ...response, temperature: 0.1, top_k: 7 });
  expect(await sent({ model: "tiny", prompt: "hi" }, "/api/v0/completions")).toMatchObject({ temperature: 0.1 });
  expect(await sent({ model: "tiny-embedding", input: "hi" }, "/v1/embeddings")).toEqual({ model: "tiny-embedding", input: "hi" });
});

test("later ones are added, and null takes one back", async () => {
  await set({ temperature: 0.1 });
  await set({ top_p: 0.5 });
  expect(await sent(CHAT)).toEqual({ ...CHAT, temperature: 0.1, top_p: 0.5 });
  expect(await (await set({ temperature: null })).json()).toMatchObject({ params: { ...DEFAULTS, top_p: 0.5 } });
  expect(await sent(CHAT)).toEqual({ ...CHAT, top_p: 0.5 });
  await set({ top_p: null });
  expect(await sent(CHAT)).toEqual(CHAT);
});

test("without sampling the most likely token is taken", async () => {
  await set({ do_sample: false, temperature: 0.8, top_k: 7 });
  expect(await sent(CHAT)).toEqual({ ...CHAT, temperature: 0 });
});

test.each([{ temperature: -1 }, { top_p: 2 }, { top_k: 1.5 }, { max_length: 0 }, { do_sample: "no" }, { min_length: 10 }])(
  "%j is refused by name and changes nothing",
  async (params) => {
    const response = await set({ ...params, top_k: "top_k" in params ? params.top_k : 3 });
    expect(response.status).toBe(400);
    expect(JSON.stringify(await response.json())).toContain(Object.keys(params)[0]!);
    expect(await sent(CHAT)).toEqual(CHAT);
  },
);
