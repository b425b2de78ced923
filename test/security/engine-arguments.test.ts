import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseOptionsHelp, optionName, TUNING_OPTIONS } from "../../src/model/presets/index.ts";
import {
  createWorkspace,
  describeWith,
  ENGINES_FOLDER,
  runCommand,
  startLemonade,
  type Lemonade,
  type Workspace,
} from "../fixtures/index.ts";

describeWith("llamacpp", "arguments for an engine", (engine) => {
  let workspace: Workspace;
  let server: Lemonade;
  const keys: Record<string, string> = {};
  beforeAll(async () => {
    workspace = await createWorkspace();
    for (const scopes of ["manage", "manage,admin"]) {
      keys[scopes] = (await runCommand(["keys", "add", scopes.replace(",", "-"), "--scopes", scopes], { workspace })).stdout.trim();
    }
    server = await startLemonade({ engine, workspace });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await workspace[Symbol.asyncDispose]();
  });

  const load = async (scopes: string, args: string) =>
    await server.post(
      "/api/v1/load",
      { model_name: "tiny", llamacpp_args: args },
      { headers: { authorization: `Bearer ${keys[scopes]}`, "content-type": "application/json" } },
    );
  const exists = async (path: string) =>
    await access(path).then(
      () => true,
      () => false,
    );

  test("who manages models makes no program run and no file appear, and is told which argument did not please", async () => {
    const path = join(workspace.folder, "made-by-the-engine");
    const servers = JSON.stringify({ mcpServers: { a: { command: "touch", args: [path] } } });
    for (const args of [
      `--log-file ${path}`,
      `--threads 1 --log_file ${path}`,
      `--mcp-servers-json '${servers}'`,
      `--slot-save-path ${path}`,
    ]) {
      const response = await load("manage", args);
      const body = (await response.json()) as { error: { code: string; message: string } };
      expect([args, response.status, body.error.code]).toEqual([args, 403, "forbidden"]);
      expect(body.error.message).toMatch(/the engine argument --[\w-]+ may do more/);
    }
    expect(await exists(path)).toBe(false);
  });

  test("who manages models tunes them", async () => {
    expect((await load("manage", "--threads 1 -fa off --temp 0.5 --no-warmup")).status).toBe(200);
    const commandLines = (await workspace.processes()).map(({ commandLine }) => commandLine);
    expect(commandLines.join("\n")).toContain("--threads 1 -fa off --temp 0.5 --no-warmup");
  });

  test("who administers the server says whatever the engine knows, but for what the server itself says", async () => {
    const path = join(workspace.folder, "log-of-the-engine");
    expect((await load("manage,admin", `--log-file ${path}`)).status).toBe(200);
    expect(await exists(path)).toBe(true);
    for (const args of ["--port 1", "--ctx_size 1024", "--unheard-of"]) {
      expect(await (await load("manage,admin", args)).json()).toMatchObject({ error: { code: "config_invalid" } });
    }
  });

  test("no option that tunes has to do with files, addresses or programs, by the engine's own account", async () => {
    const program = join(ENGINES_FOLDER, "llamacpp", "from-source", "llama-server");
    const { stdout } = await promisify(execFile)(program, ["--help"]);
    // An option's explanation goes on in the lines below it.
    const entries = stdout
      .split(/\n(?=-)/)
      .flatMap((entry) => parseOptionsHelp(entry).map((option) => ({ name: optionName(option), entry })));
    const tuning = entries.filter(({ name }) => TUNING_OPTIONS.has(name));
    expect(tuning.map(({ name }) => name).toSorted()).toEqual([...TUNING_OPTIONS].toSorted());
    for (const { entry } of tuning) expect(entry).not.toMatch(/FNAME|\bFILE\b|PATH|URL|\bfile\b|folder|directory|command|listen|download/);
  });
});
