import { beforeAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { buildTinyModel } from "../../src/model/tiny/index.ts";
import {
  createWorkspace,
  describeWithEachEngine,
  describeWithPython,
  inEnvironment,
  pythonEnvironmentWith,
  startLemonade,
  type Engine,
} from "../fixtures/index.ts";
import { Hub } from "../fixtures/hub/index.ts";
import { knownNames, type PathSet } from "./known-names.ts";

const SCHEMATHESIS_VERSION = "4.32.5";
const REPO = "tester/tiny-GGUF";

/** What llama.cpp's router answers is compared with it elsewhere, bodies and all: here, that each of its statuses is described. */
const CHECKS: Readonly<Record<PathSet, readonly string[]>> = {
  ours: ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"],
  "llama.cpp": ["status_code_conformance"],
};

/** Not asked: streams without an end, what ends the server, and what removes engines, which all tests share. */
const LEFT_OUT = "logs/|/events$|/models/sse|internal/|install$|migration/cleanup";

/** Engines differ in what they refuse, everything else is the same: on the second engine it is enough to ask models. */
const OPTIONS: Readonly<Record<PathSet, Readonly<Record<Engine, readonly string[]>>>> = {
  ours: {
    embedded: ["--max-examples", "5"],
    llamacpp: ["--max-examples", "40", "--include-path-regex", "completions|embeddings|rerank|responses"],
  },
  "llama.cpp": { embedded: ["--max-examples", "3"], llamacpp: ["--max-examples", "3"] },
};

describeWithPython("requests that are made up from the description", () => {
  let environment = "";
  beforeAll(async () => void (environment = await pythonEnvironmentWith("schemathesis", SCHEMATHESIS_VERSION)), 300_000);

  describeWithEachEngine("on the engine", (engine) => {
    const ask = async (set: PathSet) => {
      await using hub = await Hub.start();
      hub.add(REPO, { files: { "tiny-Q4_0.gguf": buildTinyModel({ name: "four" }) } });
      await using workspace = await createWorkspace();
      await using server = await startLemonade({ engine, workspace, env: { HF_ENDPOINT: hub.endpoint } });
      const document = knownNames(await (await server.fetch("/openapi.json")).json(), { repo: REPO, set });
      const path = join(workspace.folder, "openapi.json");
      await writeFile(path, JSON.stringify(document));
      const words = ["-m", "schemathesis.cli", "run", path, "--url", server.url, "--seed", "1", "--checks", CHECKS[set].join(",")];
      const rest = ["--phases", "coverage,fuzzing", "--request-timeout", "20", "--no-color", "--warnings", "off", ...OPTIONS[set][engine]];
      const child = spawn(inEnvironment(environment, "python"), [...words, "--exclude-path-regex", LEFT_OUT, ...rest], {
        cwd: workspace.folder,
        stdio: ["ignore", "pipe", "inherit"],
      });
      const exited = new Promise((resolve, reject) => child.once("exit", resolve).once("error", reject));
      const [output, exitCode] = await Promise.all([text(child.stdout), exited]);
      if (exitCode !== 0) process.stdout.write(output);
      expect(exitCode).toBe(0);
      expect((await server.fetch("/live")).status).toBe(200);
    };

    test("none makes the server fail, and every answer is as described", async () => await ask("ours"), 120_000);

    test("none gets a status from llama.cpp's paths that is not described", async () => await ask("llama.cpp"), 120_000);
  });
});
