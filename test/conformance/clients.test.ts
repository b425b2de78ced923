import { beforeAll, describe, test } from "bun:test";
import { createWorkspace, describeWithEachEngine, describeWithPython, makeMisbehavingEngine, startLemonade } from "../fixtures/index.ts";
import { BROKEN_STREAM, CASES } from "./cases.ts";
import type { Result, Runner } from "./result.ts";
import { runJavaScript } from "./run-javascript.ts";
import { preparePython, runPython } from "./run-python.ts";

const KEY = "conformance-key-of-a-test";

describe("OpenAI's client for JavaScript", () => conformance(runJavaScript));

describeWithPython("OpenAI's client for Python", () => {
  beforeAll(async () => void (await preparePython()), 300_000);
  conformance(runPython);
});

function conformance(run: Runner): void {
  describeWithEachEngine("every case", (engine) => {
    let results: readonly Result[] = [];
    beforeAll(async () => {
      await using server = await startLemonade({ engine, env: { LEMONADE_API_KEY: KEY } });
      results = await run(
        { baseUrl: `${server.url}/v1`, apiKey: KEY },
        CASES.map(({ call }) => call),
      );
    }, 120_000);
    for (const [i, { name, check }] of CASES.entries()) test(name, () => check(results[i] ?? {}));
  });

  test(BROKEN_STREAM.name, async () => {
    await using workspace = await createWorkspace();
    const engine = await makeMisbehavingEngine(workspace, [{ answers: [{ kind: "cut" }] }]);
    await using server = await startLemonade({ workspace, flags: engine.flags, env: engine.env });
    const [result] = await run({ baseUrl: `${server.url}/v1`, apiKey: "none is needed" }, [BROKEN_STREAM.call]);
    BROKEN_STREAM.check(result ?? {});
  });
}
