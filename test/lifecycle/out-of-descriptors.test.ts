import { expect, test } from "bun:test";
import { Agent, request } from "node:http";
import { text } from "node:stream/consumers";
import { createWorkspace, describeWithEachEngine, limitDescriptors, startLemonade, until, type Lemonade } from "../fixtures/index.ts";

const CHAT = { model: "tiny", max_tokens: 2, messages: [{ role: "user", content: "hi" }] };
/** What a start of an engine needs at most: its pipes, and what the runtime opens for a moment. */
const ENOUGH_FOR_A_START = 8;

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

/** A client that keeps one connection, so that its requests arrive also where the server can accept no further one. */
async function keepConnection({ port }: Lemonade): Promise<Disposable & { post(path: string, body: unknown): Promise<Answer> }> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const post = (path: string, body: unknown) =>
    new Promise<Answer>((resolve, reject) => {
      const asked = request({ host: "127.0.0.1", port, path, method: "POST", agent, headers: { "content-type": "application/json" } });
      asked.once("error", reject);
      asked.once("response", (response) => {
        text(response).then((read) => resolve({ status: response.statusCode, body: read }), reject);
      });
      asked.end(JSON.stringify(body));
    });
  await post("/v1/unload", {});
  return { post, [Symbol.dispose]: () => agent.destroy() };
}

function expectClearError({ status, body }: Answer): void {
  expect({ status, body }).toEqual({ status: 503, body: expect.stringContaining("out_of_descriptors") });
}

// Only Linux changes the limit of a running process.
if (process.platform === "linux")
  describeWithEachEngine("a server that runs out of file descriptors", (engine) => {
    test("fails loads with that cause however few are left, leaves nothing behind, and loads again once there are some", async () => {
      await using workspace = await createWorkspace();
      await using server = await startLemonade({ engine, workspace });
      using client = await keepConnection(server);
      await using limit = limitDescriptors(server.pid);
      // A server that has loaded nothing yet has more to open: its own code, to begin with.
      await limit.leave(ENOUGH_FOR_A_START);
      expectClearError(await client.post("/v1/load", { model_name: "tiny" }));
      await limit.lift();
      expect((await client.post("/v1/load", { model_name: "tiny" })).status).toBe(200);
      expect((await client.post("/v1/unload", {})).status).toBe(200);
      let failures = 0;
      for (let left = 0; left <= ENOUGH_FOR_A_START; left++) {
        await limit.leave(left);
        const loaded = await client.post("/v1/load", { model_name: "tiny" });
        await limit.lift();
        if (loaded.status !== 200) {
          failures++;
          expectClearError(loaded);
        }
        const models = await server.models();
        const known = new Set([server.pid, ...models.map(({ pid }) => pid)]);
        await until("nothing else runs", async () => (await workspace.processes()).every(({ pid }) => known.has(pid)));
        expect((await server.post("/v1/unload", {})).status).toBe(200);
      }
      expect(failures).toBeGreaterThan(0);
      expect((await server.post("/v1/chat/completions", CHAT)).status).toBe(200);
    });

    test("tells a request so that it cannot pass on, and does not take the engine for one that hangs", async () => {
      await using server = await startLemonade({ engine, env: { LEMONADE_HEALTH_PROBE_MS: "50" } });
      using client = await keepConnection(server);
      await using limit = limitDescriptors(server.pid);
      expect((await client.post("/v1/load", { model_name: "tiny" })).status).toBe(200);
      const { pid } = await server.model("tiny");
      await limit.leave(0);
      await until("three probes failed", () => server.log().split("could not be asked for its health").length > 3);
      expectClearError(await client.post("/v1/chat/completions", CHAT));
      await limit.lift();
      expect((await server.post("/v1/chat/completions", CHAT)).status).toBe(200);
      expect((await server.model("tiny")).pid).toBe(pid);
    });
  });
