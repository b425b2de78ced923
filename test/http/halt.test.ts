import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
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

describeWithEachEngine("halt", (engine) => {
  let workspace: Workspace;
  let server: Lemonade;
  beforeAll(async () => {
    workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "models"), ["endless"]);
    // A context in which the endless model goes on for minutes.
    server = await startLemonade({ engine, workspace, flags: [...models.flags, "--ctx-size", "200000"] });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  });

  const ask = async (client: string, fields: Record<string, unknown> = {}) =>
    await server.fetch("/api/v1/chat/completions", {
      method: "POST",
      headers: { "user-agent": client },
      body: JSON.stringify({ model: "endless", messages: HELLO, temperature: 0, max_tokens: -1, ...fields }),
    });
  /** A stream whose first bytes have come, and its whole text. */
  const stream = async (client: string) => {
    const reader = (await ask(client, { stream: true })).body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader.read()).value ?? "";
    return {
      async whole() {
        for (let piece = await reader.read(); !piece.done; piece = await reader.read()) text += piece.value;
        return text;
      },
    };
  };
  const halt = async (init: RequestInit & { client: string }, query = "") => {
    const response = await server.fetch(`/api/v1/halt${query}`, { method: "POST", ...init, headers: { "user-agent": init.client } });
    return { status: response.status, body: init.method === "HEAD" ? undefined : await response.json() };
  };
  const inFlight = async (count: number) => await until(`${count} in flight`, async () => (await server.models())[0]?.in_flight === count);
  const expectHalted = (text: string) => {
    expect(text).toEndWith("\n\n");
    const events = text.slice(0, -2).split("\n\n");
    expect(JSON.parse(events.at(-1)!.slice("data: ".length))).toEqual({ error: expect.objectContaining({ code: "generation_halted" }) });
    for (const event of events) expect(JSON.parse(event.slice("data: ".length))).toBeObject(); // No torn event before it.
  };

  test("ends the caller's own streams with an error event, frees the engine and leaves others alone", async () => {
    const [mine, another] = await Promise.all([stream("mine"), stream("another's")]);
    await inFlight(2);
    expect(await halt({ client: "mine" })).toEqual({ status: 200, body: { terminated: true, halted: 1 } });
    expectHalted(await mine.whole());
    await inFlight(1);
    expect(await halt({ client: "another's" })).toEqual({ status: 200, body: { terminated: true, halted: 1 } });
    expectHalted(await another.whole());
    await inFlight(0);
  });

  test("a page's GET, which names nothing, ends no answer: not that of another tab, which looks the same from here", async () => {
    const otherTab = await stream("browser");
    expect(await halt({ method: "GET", client: "browser" })).toEqual({ status: 200, body: { terminated: true, halted: 0 } });
    await inFlight(1);
    await halt({ client: "browser" });
    expectHalted(await otherTab.whole());
  });

  test("a request that streams nothing is answered with an error that SDKs do not repeat", async () => {
    const asked = ask("mine");
    await inFlight(1);
    await halt({ client: "mine" });
    const response = await asked;
    expect(response.status).toBe(410);
    expect(await response.json()).toMatchObject({ detail: "The generation was halted", error: { code: "generation_halted" } });
    await inFlight(0);
  });

  test("a model's generations are ended for everybody", async () => {
    const streams = await Promise.all([stream("mine"), stream("another's")]);
    await inFlight(2);
    expect(await halt({ method: "GET", client: "a third one" }, "?model=endless")).toMatchObject({ body: { halted: 2 } });
    for (const each of streams) expectHalted(await each.whole());
    const again = await stream("mine");
    expect(await halt({ client: "a third one", body: '{"model_name":"endless"}' })).toMatchObject({ body: { halted: 1 } });
    expectHalted(await again.whole());
  });

  test("a request that waits for its model to load is ended, too", async () => {
    await server.post("/api/v1/unload", {});
    const asked = ask("mine", { stream: true });
    await server.waiting(1);
    expect(await halt({ client: "mine" })).toMatchObject({ body: { halted: 1 } });
    expect((await asked).status).toBe(410);
    await server.waiting(0);
  });

  test("HEAD changes nothing, and neither does a frame of another site", async () => {
    const mine = await stream("mine");
    expect(await halt({ method: "HEAD", client: "mine" })).toMatchObject({ status: 200 });
    const framed = await server.fetch("/api/v1/halt?model=endless", {
      headers: { "user-agent": "mine", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" },
    });
    expect(framed.status).toBe(403);
    await inFlight(1);
    expect(await halt({ client: "mine" })).toMatchObject({ body: { halted: 1 } });
    expectHalted(await mine.whole());
  });

  test("with nothing running it says so, and the server lives on", async () => {
    expect(await halt({ client: "mine" })).toEqual({ status: 200, body: { terminated: true, halted: 0 } });
    expect((await halt({ client: "mine" }, "?model=no-such-model")).status).toBe(404);
    expect((await server.fetch("/live")).status).toBe(200);
  });
});
