import { expect, test } from "bun:test";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readReleaseTable, type ReleaseTable } from "../../src/backends/llamacpp/install/index.ts";
import { ReleaseServer } from "../fixtures/releases/index.ts";

const SCRIPT = fileURLToPath(new URL("../../scripts/bump-llamacpp.ts", import.meta.url));

/** Every file that the table asks of a source, under another tag and with other toolkits. */
function filesOf(table: ReleaseTable, source: string, tag: string, minor = "9"): Record<string, string> {
  const names = table.builds
    .filter((build) => build.source === source)
    .flatMap((build) =>
      [build.asset, build.runtime ?? []].flat().flatMap((template) => {
        const name = template.replaceAll("{tag}", tag).replaceAll("{toolkit}", `${Number.parseInt(build.toolkit ?? "0", 10)}.${minor}`);
        return name.includes("{gfx}") ? ["gfx1151", "gfx110X"].map((gfx) => name.replace("{gfx}", gfx)) : [name];
      }),
    );
  return Object.fromEntries(names.map((name) => [name, name]));
}

async function setUp() {
  const root = await mkdtemp(join(tmpdir(), "bump-"));
  const server = await ReleaseServer.start();
  const tablePath = join(root, "releases.json");
  const table = { ...readReleaseTable(), sha256: { "b11211/old": "0".repeat(64) } };
  await writeFile(tablePath, JSON.stringify(table));
  return {
    server,
    table,
    read: async () => JSON.parse(await readFile(tablePath, "utf8")) as ReleaseTable,
    run: async (...args: string[]) => {
      const child = Bun.spawn([process.execPath, SCRIPT, ...args, "--table", tablePath, "--mirror", server.url], { stderr: "pipe" });
      return { exitCode: await child.exited, stderr: await new Response(child.stderr).text() };
    },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await rm(root, { recursive: true });
    },
  };
}

test("a published tag becomes the pin, with its toolkits and digests", async () => {
  await using place = await setUp();
  place.server.publish("ggml-org/llama.cpp", "b12000", {
    ...filesOf(place.table, "llama.cpp", "b12000", "8"),
    ...filesOf(place.table, "llama.cpp", "b12000", "10"),
  });
  expect(await place.run("b12000")).toEqual({ exitCode: 0, stderr: "" });
  const table = await place.read();
  expect(table.sources["llama.cpp"]?.tag).toBe("b12000");
  expect(table.defaults).toEqual(place.table.defaults);
  expect(table.sources["llamacpp-rocm"]).toEqual(place.table.sources["llamacpp-rocm"] as { repository: string; tag: string });
  const toolkits = new Set(table.builds.map(({ toolkit }) => toolkit));
  expect([...toolkits].filter(Boolean)).toEqual(["12.10", "13.10"]);
  expect(Object.keys(table.sha256)).toContain("b12000/llama-b12000-bin-ubuntu-cuda-13.10-x64.tar.gz");
  expect(Object.keys(table.sha256)).not.toContain("b11211/old");
});

test("a source with families of GPUs records every one", async () => {
  await using place = await setUp();
  place.server.publish("lemonade-sdk/llamacpp-rocm", "b2000", filesOf(place.table, "llamacpp-rocm", "b2000"));
  expect(await place.run("b2000", "--source", "llamacpp-rocm")).toEqual({ exitCode: 0, stderr: "" });
  const { sha256, sources } = await place.read();
  expect(sources["llamacpp-rocm"]?.tag).toBe("b2000");
  expect(Object.keys(sha256)).toContain("b2000/llama-b2000-windows-rocm-gfx1151-x64.zip");
});

test("a release that lacks a file changes nothing and names it", async () => {
  await using place = await setUp();
  const { "llama-b12000-bin-macos-arm64.tar.gz": _, ...files } = filesOf(place.table, "llama.cpp", "b12000");
  place.server.publish("ggml-org/llama.cpp", "b12000", files);
  const { exitCode, stderr } = await place.run("b12000");
  expect(exitCode).toBe(1);
  expect(stderr).toContain("lacks llama-b12000-bin-macos-arm64.tar.gz");
  expect(await place.read()).toEqual(place.table);
});

test("an unknown tag and an unknown source are named", async () => {
  await using place = await setUp();
  expect((await place.run("b1")).stderr).toContain("no release b1");
  expect((await place.run("b1", "--source", "x")).stderr).toContain("no source x");
});
