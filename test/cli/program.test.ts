import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { createWorkspace, LEMONADE, runCommand, type CommandResult, type Workspace } from "../fixtures/index.ts";

let workspace: Workspace;
beforeAll(async () => void (workspace = await createWorkspace()));
afterAll(async () => await workspace[Symbol.asyncDispose]());
const run = async (words: readonly string[], env: Record<string, string> = {}): Promise<CommandResult> =>
  await runCommand(words, { workspace, env });

describe("version and help", () => {
  test.each(["--version", "-v"])("%s prints the bare version", async (flag) => {
    expect(await run([flag])).toEqual({ code: 0, signal: null, stdout: `${packageJson.version}\n`, stderr: "" });
  });

  test.each([[["--help"]], [["-h"]], [[]]])("%p prints the commands", async (words) => {
    const { code, stdout, stderr } = await run(words);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const command of ["serve", "run", "status", "stop", "install"]) expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, "m"));
  });

  test.each(["serve", "run"])("%s --help prints its options", async (command) => {
    const { code, stdout } = await run([command, "--help"]);
    expect(code).toBe(0);
    const options = [
      "--port",
      "--host",
      "--log-level",
      "--ctx-size",
      "--llamacpp ",
      "--llamacpp-args",
      "--models-dir",
      "--max-loaded-models",
    ];
    for (const option of options) expect(stdout).toContain(option);
  });
});

describe("wrong usage ends with code 2 and says on standard error what is wrong", () => {
  test.each([
    [["serv"], "unknown command 'serv'", "Did you mean serve?"],
    [["stauts"], "unknown command 'stauts'", "Did you mean status?"],
    [["serve", "--prot", "1"], "unknown option '--prot'", "Did you mean --port?"],
    [["status", "--nonsense"], "unknown option '--nonsense'", "--help"],
    [["run"], "missing required argument 'model'", "--help"],
    [["serve", "--llamacpp", "turbo"], "'turbo' is invalid", "vulkan"],
    [["serve", "--registry", "/nowhere.json"], "--registry must be a file", "/nowhere.json"],
    [["install", "nonsense"], '"nonsense"', "embedded"],
  ])("%p", async (words, message, hint) => {
    const { code, stdout, stderr } = await run(words);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(message);
    expect(stderr).toContain(hint);
  });

  test.each([
    ["--port", "eight thousand"],
    ["--port", "65536"],
    ["--ctx-size", "0"],
    ["--ctx-size", "4k"],
    ["--log-level", "loud"],
    ["--max-loaded-models", "0"],
    ["--llamacpp-args", "--an 'open quote"],
  ])("serve %s %p", async (flag, value) => {
    const { code, stderr } = await run(["serve", flag, value]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: /);
    expect(stderr).toContain(value);
  });

  test.each([
    ["LEMONADE_PORT", "eight thousand"],
    ["LEMONADE_CTX_SIZE", "-1"],
    ["LEMONADE_LLAMACPP", "turbo"],
  ])("%s=%s, and names the variable", async (name, value) => {
    const { code, stderr } = await run(["serve"], { [name]: value });
    expect(code).toBe(2);
    expect(stderr).toContain(name);
  });

  test("a stack is shown only when it is asked for", async () => {
    expect((await run(["serve", "--port", "x"])).stderr).not.toContain("    at ");
    expect((await run(["--verbose", "serve", "--port", "x"])).stderr).toContain("    at ");
  });
});

describe("the launcher", () => {
  test("works through links from any folder, and reads no settings of Bun there", async () => {
    const folder = join(workspace.folder, "elsewhere");
    await mkdir(folder);
    await symlink(LEMONADE, join(folder, "absolute"));
    await symlink("absolute", join(folder, "relative"));
    await writeFile(join(folder, ".env"), "LEMONADE_CACHE_DIR=/nowhere\nLEMONADE_PORT=x\n");
    await writeFile(join(folder, "bunfig.toml"), 'preload = ["./missing.ts"]\n');
    const child = Bun.spawn([join(folder, "relative"), "status"], { cwd: folder, env: workspace.env, stdout: "pipe", stderr: "pipe" });
    expect([await child.exited, await new Response(child.stdout).text(), await new Response(child.stderr).text()]).toEqual([
      0,
      "Server is not running\n",
      "",
    ]);
  });
});
