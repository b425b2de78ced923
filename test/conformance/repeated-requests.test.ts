import { beforeAll, describe, expect, test } from "bun:test";
import { createWorkspace, describeWithEachEngine, describeWithPython, makeMisbehavingEngine, startLemonade } from "../fixtures/index.ts";
import type { Runner } from "./result.ts";
import { runJavaScript } from "./run-javascript.ts";
import { preparePython, runPython } from "./run-python.ts";

/** A red pixel. */
const PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";
const picture = { role: "user", content: [{ type: "image_url", image_url: { url: PIXEL } }] };

describe("OpenAI's client for JavaScript, as it is by default", () => repeats(runJavaScript));

describeWithPython("OpenAI's client for Python, as it is by default", () => {
  beforeAll(async () => void (await preparePython()), 300_000);
  repeats(runPython);
});

/** Passes requests on and counts them. */
function countRequests(url: string) {
  let count = 0;
  const proxy = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      count++;
      const { method, headers } = request;
      return await fetch(url + new URL(request.url).pathname, { method, headers, body: await request.text(), keepalive: false });
    },
  });
  return { baseUrl: `${proxy.url.origin}/v1`, count: () => count, [Symbol.asyncDispose]: async () => await proxy.stop(true) };
}

function repeats(run: Runner): void {
  const ask = async (url: string, body: Readonly<Record<string, unknown>>) => {
    await using counted = countRequests(url);
    const target = { baseUrl: counted.baseUrl, apiKey: "none is needed", repeatsRequests: true };
    const [result] = await run(target, [{ method: "chat.completions.create", body }]);
    return { status: result?.error?.status, requests: counted.count() };
  };

  test("a load that cannot succeed is asked for once", async () => {
    await using server = await startLemonade({ env: { HF_HUB_OFFLINE: "1" } });
    const body = { model: "Qwen3-0.6B-GGUF", messages: [{ role: "user", content: "hi" }] };
    expect(await ask(server.url, body)).toEqual({ status: 503, requests: 1 });
  });

  test("a request that may succeed the next time is repeated", async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{ answers: [{ kind: "crash" }] }, { answers: [{ kind: "crash" }] }, {}]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    const asked = await ask(server.url, { model: "tiny", messages: [{ role: "user", content: "hi" }] });
    expect(asked).toEqual({ status: undefined, requests: 2 });
  });

  describeWithEachEngine("an image for a model without eyes", (engine) => {
    test("is refused once, as a mistake of the request", async () => {
      await using server = await startLemonade({ engine });
      expect(await ask(server.url, { model: "tiny", messages: [picture] })).toEqual({ status: 400, requests: 1 });
    });
  });
}
