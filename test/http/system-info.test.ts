import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createWorkspace, hasEngine, runCommand, startLemonade, type Lemonade, type Workspace } from "../fixtures/index.ts";

interface Info {
  readonly "OS Version": string;
  readonly Processor: string;
  readonly "Physical Memory": string;
  readonly "Python Packages"?: readonly string[];
  readonly devices: { readonly cpu: { readonly inference_engines: Readonly<Record<string, { available: boolean }>> } };
}

let workspace: Workspace;
let server: Lemonade;
beforeAll(async () => {
  workspace = await createWorkspace();
  server = await startLemonade({ workspace });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await workspace[Symbol.asyncDispose]();
});

function expectInfo(info: Info): void {
  for (const key of ["OS Version", "Processor", "Physical Memory"] as const) expect(info[key]).toMatch(/./);
  expect(info["Physical Memory"]).toMatch(/^\d+\.\d\d GB$/);
  expect(Object.keys(info.devices)).toEqual(expect.arrayContaining(["cpu", "amd_igpu", "amd_dgpu", "nvidia_dgpu", "npu"]));
}

test("the server describes its machine, and more of it when asked", async () => {
  const info = async (query: string) => (await (await server.fetch(`/api/v1/system-info${query}`)).json()) as Info;
  expectInfo(await info(""));
  expect(await info("?verbose=false")).not.toHaveProperty("Python Packages");
  for (const query of ["?verbose=true", "?verbose=True", "?verbose=1"]) {
    const verbose = await info(query);
    expectInfo(verbose);
    expect(verbose["Python Packages"]?.length).toBeGreaterThan(0);
  }
  const { cpu } = (await info("?complete=true")).devices;
  expect(cpu.inference_engines["embedded"]?.available).toBe(hasEngine("embedded"));
});

test("engines that are installed are told at once, with their versions", async () => {
  await using other = await createWorkspace();
  const binDir = join(other.folder, "bin");
  await using fresh = await startLemonade({ workspace: other, env: { LEMONADE_BIN_DIR: binDir } });
  const engines = async () => {
    const { devices } = (await (await fresh.fetch("/v1/system-info?complete=true")).json()) as Info;
    return devices.cpu.inference_engines;
  };
  expect(await engines()).toMatchObject({ "llamacpp-cpu": { available: false }, embedded: { available: false } });
  const folder = join(binDir, "llamacpp", "cpu");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, process.platform === "win32" ? "llama-server.exe" : "llama-server"), "", { mode: 0o755 });
  await writeFile(join(folder, "version.txt"), "b6510");
  await writeFile(join(folder, "backend.txt"), "cpu");
  expect(await engines()).toMatchObject({ "llamacpp-cpu": { available: true, version: "b6510", backend: "cpu" } });
});

describe("lemonade system-info", () => {
  const run = async (...words: string[]) => {
    const { code, stdout, stderr } = await runCommand(["system-info", ...words], { workspace });
    expect([code, stderr]).toEqual([0, ""]);
    return stdout;
  };

  test("prints a table, with --verbose a longer one", async () => {
    const table = await run();
    for (const word of ["OS Version", "Processor", "Physical Memory", "Devices"]) expect(table).toContain(word);
    expect(table).not.toContain("Python Packages");
    expect(await run("--verbose")).toContain("Python Packages");
  });

  test("prints one JSON object", async () => {
    expectInfo(JSON.parse(await run("--format", "json")) as Info);
    expect((JSON.parse(await run("--verbose", "--format", "json")) as Info)["Python Packages"]).toBeDefined();
  });

  test("says the same without a server", async () => {
    await using alone = await createWorkspace();
    const { code, stdout } = await runCommand(["system-info", "--format", "json"], { workspace: alone });
    expect(code).toBe(0);
    expectInfo(JSON.parse(stdout) as Info);
  });
});
