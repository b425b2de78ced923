import { expect, test } from "bun:test";
import { describeArgv, engineAddress, toArgv } from "./argv.ts";
import { resolveOptions, type LlamaServerOptions, type ResolvedOptions } from "./options.ts";

const resolve = async (options: Partial<LlamaServerOptions> = {}): Promise<ResolvedOptions> =>
  await resolveOptions({ model: "/models/a.gguf", alias: "a", executable: "/bin/llama-server", port: 12345, ...options });

test("the arguments have their order, and those of the user come last", async () => {
  const extraArgs = "--ctx-size 2048 --parallel 4 --seed 42";
  const plain = toArgv(await resolve({ extraArgs }));
  expect(plain).toHaveLength(13);
  expect(plain.join(" ")).toBe(`--alias a --model /models/a.gguf --embeddings --port 12345 ${extraArgs}`);
  const full = toArgv(await resolve({ apiKey: "k", host: "0.0.0.0", args: ["--alias", "b"] }));
  expect(full.join(" ")).toBe("--alias a --model /models/a.gguf --embeddings --api-key k --host 0.0.0.0 --port 12345 --alias b");
  expect(toArgv(await resolve({ embeddings: false }))).not.toContain("--embeddings");
});

test("the text form masks every secret and quotes words with blanks", async () => {
  const args = ["--hf-token", "hf_1", "--api-key=k2", "--name", "two words", "--grammar", 'root ::= "a"', ""];
  expect(describeArgv(await resolve({ apiKey: "k1", args }))).toBe(
    `--alias a --model /models/a.gguf --embeddings --api-key *** --port 12345 --hf-token *** --api-key=*** --name "two words" --grammar 'root ::= "a"' ""`,
  );
});

test.each([
  [{}, "http://127.0.0.1:12345/"],
  [{ host: "0.0.0.0" }, "http://127.0.0.1:12345/"],
  [{ host: "::" }, "http://[::1]:12345/"],
  [{ host: "::1" }, "http://[::1]:12345/"],
  [{ host: "192.0.2.1" }, "http://192.0.2.1:12345/"],
  [{ extraArgs: "--port 99 --host 127.0.0.2 --api-prefix /llm" }, "http://127.0.0.2:99/llm"],
] as const)("a server with %j is reached at %s", async (options, url) => {
  expect(engineAddress(await resolve(options)).baseUrl.href).toBe(url);
});

test("the key that is sent is one that the engine was told, wherever it was told", async () => {
  const keyOf = async (options: Partial<LlamaServerOptions>) => engineAddress(await resolve(options)).apiKey;
  expect(await keyOf({})).toBeUndefined();
  expect(await keyOf({ apiKey: "one" })).toBe("one");
  expect(await keyOf({ apiKey: "one", args: ["--api-key", "two,three"] })).toBe("two");
  expect(await keyOf({ env: { LLAMA_API_KEY: "four" } })).toBe("four");
});
