import { expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EMBEDDED_ENGINE_PINS, findEmbeddedEngine, installEmbeddedEngine } from "./install-engine.ts";

async function temporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), "lemonade-engine-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** A registry that accepts connections and never answers. */
async function startSilentRegistry(): Promise<AsyncDisposable & { url: string; connected: Promise<void> }> {
  const connected = Promise.withResolvers<void>();
  const server = createServer(() => connected.resolve());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}/`,
    connected: connected.promise,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}

test("every pinned platform names an exact version", () => {
  for (const pin of Object.values(EMBEDDED_ENGINE_PINS)) {
    expect(pin.version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(pin.platformPackage).toStartWith("@node-llama-cpp/");
  }
});

test("a registry that cannot be reached is named with a hint, and nothing is left", async () => {
  await using folder = await temporaryFolder();
  const directory = join(folder.path, "embedded");
  // Port 1 is reserved and closed: the connection is refused at once.
  const env = { ...process.env, NPM_CONFIG_REGISTRY: "http://127.0.0.1:1/" };
  const failure = await installEmbeddedEngine({ directory, env }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "INSTALL_FAILED", hint: expect.stringContaining("registry") });
  expect(await readdir(directory)).toEqual([]);
  expect(await findEmbeddedEngine(directory)).toBeUndefined();
}, 60_000);

test("an abort ends the package manager and removes what it had fetched", async () => {
  await using folder = await temporaryFolder();
  await using registry = await startSilentRegistry();
  const directory = join(folder.path, "embedded");
  const controller = new AbortController();
  const env = { ...process.env, NPM_CONFIG_REGISTRY: registry.url };
  const installing = installEmbeddedEngine({ directory, env, signal: controller.signal }).catch((error: unknown) => error);
  await registry.connected;
  const reason = new Error("enough");
  controller.abort(reason);
  expect(await installing).toBe(reason);
  expect(await readdir(directory)).toEqual([]);
});
