import { describe, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createWorkspace, runCommand, startInTerminal, startLemonade } from "../fixtures/index.ts";

const LONG = "Long-Name-of-a-Model-24B-Instruct-2507-GGUF";
const REGISTRY = {
  "Small-GGUF": { checkpoint: "o/Small-GGUF:Q4_0", recipe: "llamacpp", suggested: true, size: 0.38 },
  [LONG]: {
    checkpoint: "o/Long-GGUF:Q4_0",
    recipe: "llamacpp",
    suggested: true,
    labels: ["vision", "tool-calling", "reasoning", "coding"],
  },
  "Rare-GGUF": { checkpoint: "o/Rare-GGUF:Q4_0", recipe: "llamacpp", labels: ["reasoning"] },
};

async function workspaceWithRegistry() {
  const workspace = await createWorkspace();
  const registry = join(workspace.folder, "models.json");
  await writeFile(registry, JSON.stringify(REGISTRY));
  return { workspace, registry, [Symbol.asyncDispose]: () => workspace[Symbol.asyncDispose]() };
}

test("list prints three columns, what is here first, then by name", async () => {
  await using at = await workspaceWithRegistry();
  const env = { LEMONADE_REGISTRY: at.registry };
  const { stdout } = await runCommand(["list"], { workspace: at.workspace, env });
  expect(stdout.trimEnd().split("\n")).toEqual([
    "Model Name                                   Downloaded    Details",
    `${"-".repeat(43)}  ------------  ---------------------------------------`,
    "tiny                                         Yes           -",
    `${LONG}  No            vision, tool-calling, reasoning, coding`,
    "Small-GGUF                                   No            -",
  ]);
  expect((await runCommand(["list", "--downloaded"], { workspace: at.workspace, env })).stdout).not.toContain("Small-GGUF");
  expect((await runCommand(["list", "--all"], { workspace: at.workspace, env })).stdout).toMatch(/Rare-GGUF +No +reasoning/);
});

test("list as JSON has every field of a model", async () => {
  await using at = await workspaceWithRegistry();
  const { stdout } = await runCommand(["list", "--json"], { workspace: at.workspace, env: { LEMONADE_REGISTRY: at.registry } });
  expect((JSON.parse(stdout) as { id: string }[]).find(({ id }) => id === "Small-GGUF")).toMatchObject({
    checkpoint: "o/Small-GGUF:Q4_0",
    recipe: "llamacpp",
    downloaded: false,
    suggested: true,
    labels: [],
    size: 0.38,
  });
});

test.skipIf(process.platform === "win32")("on a terminal the list fits, and names are whole", async () => {
  await using at = await workspaceWithRegistry();
  await using terminal = startInTerminal(["list"], { workspace: at.workspace, env: { LEMONADE_REGISTRY: at.registry }, columns: 80 });
  expect(await terminal.exited).toBe(0);
  const lines = terminal.shown().trimEnd().split("\r\n");
  expect(lines.every((line) => line.length <= 80)).toBe(true);
  expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^${LONG}  No            .*…$`)));
});

describe("a registry of one's own", () => {
  test("takes the place of the built-in one, in the server and in commands through it", async () => {
    await using at = await workspaceWithRegistry();
    await using server = await startLemonade({ workspace: at.workspace, flags: ["--registry", at.registry] });
    const { data } = (await (await server.fetch("/api/v1/models?show_all=true")).json()) as { data: { id: string }[] };
    expect(data.map(({ id }) => id)).toEqual(["tiny", "Small-GGUF", LONG, "Rare-GGUF"]);
    expect((await runCommand(["list", "--all"], { workspace: at.workspace })).stdout).toContain("Rare-GGUF");
  });

  test("may be the file that the program brings", async () => {
    await using workspace = await createWorkspace();
    const builtIn = await runCommand(["list", "--all"], { workspace });
    const env = { LEMONADE_REGISTRY: join(import.meta.dir, "..", "..", "src", "catalog", "server-models.json") };
    expect((await runCommand(["list", "--all"], { workspace, env })).stdout).toBe(builtIn.stdout);
  });
});
