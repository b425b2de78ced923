import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import OpenAI from "openai";
import { TINY_SENTENCE } from "../../src/model/tiny/index.ts";
import { createWorkspace, describeWithEachEngine, makeModels, startLemonade, type Lemonade, type Workspace } from "../fixtures/index.ts";

/** What Lemonade's own integration tests assert (test_014 to test_016), for a model that thinks and for one that does not. */
describeWithEachEngine("responses as Lemonade's clients know them", (engine) => {
  let workspace: Workspace;
  let server: Lemonade;
  beforeAll(async () => {
    workspace = await createWorkspace();
    const models = await makeModels(join(workspace.folder, "models"), ["reasoning"]);
    server = await startLemonade({ engine, workspace, flags: models.flags });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  });
  const input = [
    { role: "system" as const, content: "You are a helpful assistant." },
    { role: "user" as const, content: "Who won the world series in 2020?" },
  ];
  const textOf = (response: OpenAI.Responses.Response) => {
    const [item] = response.output;
    const part = item?.type === "message" ? item.content[0] : undefined;
    return part?.type === "output_text" ? part.text : undefined;
  };

  for (const version of ["v0", "v1"]) {
    for (const model of ["tiny", "reasoning"]) {
      const openai = () => new OpenAI({ baseURL: `${server.url}/api/${version}`, apiKey: "none is needed", maxRetries: 0 });

      test(`/api/${version}: the first item of an answer of ${model} is its text`, async () => {
        const response = await openai().responses.create({ model, input, temperature: 0 });
        expect(textOf(response)).toBe(TINY_SENTENCE);
      });

      test(`/api/${version}: a stream of ${model} is created, deltas, completed, and the text at the end is that of the deltas`, async () => {
        const events = await Array.fromAsync(await openai().responses.create({ model, input, temperature: 0, stream: true }));
        expect(events[0]?.type).toBe("response.created");
        const middle = events.slice(1, -1);
        const text = middle
          .map((event) => (event.type === "response.output_text.delta" ? event.delta : `unexpected ${event.type}`))
          .join("");
        const last = events.at(-1);
        expect(last?.type === "response.completed" ? textOf(last.response) : undefined).toBe(text);
        expect(text).toBe(TINY_SENTENCE);
      });
    }
  }

  test("a model that came no further than thinking has said nothing", async () => {
    const response = await server.post("/api/v1/responses", { model: "reasoning", input: "hi", max_output_tokens: 3 });
    expect(await response.json()).toMatchObject({ output: [{ type: "message", content: [{ type: "output_text", text: "" }] }] });
  });
});
