import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readReleaseTable } from "../../src/backends/llamacpp/install/index.ts";
import { LemonadeClient } from "../../src/client/index.ts";
import {
  createWorkspace,
  describeWith,
  ENGINES_FOLDER,
  rejection,
  runCommand,
  startCommand,
  startLemonade,
  until,
  type Lemonade,
  type Workspace,
} from "../fixtures/index.ts";
import { releaseArchive, ReleaseServer, type FakeBuild } from "../fixtures/releases/index.ts";

const LLAMA_CPP = "ggml-org/llama.cpp";
const PINNED = readReleaseTable().sources["llama.cpp"]?.tag ?? "";
const REAL = join(ENGINES_FOLDER, "llamacpp", "from-source", "llama-server");
/** A published build that says its version itself and leaves everything else to a real one. */
const REAL_BEHIND = `case "$1" in --version|--list-devices) ;; *) echo "$HIP_VISIBLE_DEVICES" > "$(dirname "$0")/devices"; exec ${REAL} "$@" ;; esac`;

let releases: ReleaseServer;
let workspace: Workspace;
let env: Record<string, string>;
let folder: string;

beforeEach(async () => {
  releases = await ReleaseServer.start();
  workspace = await createWorkspace();
  const binDir = join(workspace.folder, "bin");
  folder = join(binDir, "llamacpp", "cpu");
  env = { LEMONADE_RELEASES_URL: releases.url, LEMONADE_BIN_DIR: binDir };
});
afterEach(async () => {
  await workspace[Symbol.asyncDispose]();
  await releases[Symbol.asyncDispose]();
});

const lemonade = async (words: readonly string[], more: Record<string, string> = {}) =>
  await runCommand(words, { workspace, env: { ...env, ...more } });
const installedTag = async (): Promise<string> => await readFile(join(folder, "version.txt"), "utf8");
const platform = process.arch === "arm64" ? "arm64" : "x64";

async function publish(tag: string, build: Partial<FakeBuild> = {}): Promise<void> {
  const name = `llama-${tag}-bin-ubuntu-${platform}.tar.gz`;
  releases.publish(LLAMA_CPP, tag, { [name]: await releaseArchive(name, { tag, ...build }) });
}

// The published builds of the fake server are shell scripts for Linux.
describe.skipIf(process.platform !== "linux")("the command", () => {
  test("installs a published build, lists it, leaves it alone the second time, and removes it", async () => {
    await publish(PINNED);
    const installed = await lemonade(["install", "llamacpp:cpu"]);
    expect(installed).toMatchObject({ code: 0, stdout: `Installed llamacpp:cpu ${PINNED} in ${join(folder, "llama-server")}\n` });
    const asked = releases.requests.length;
    const again = await lemonade(["install", "llamacpp:cpu"]);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining("is installed already") });
    expect(releases.requests).toHaveLength(asked);
    expect((await lemonade(["backends"])).stdout).toMatch(new RegExp(`llamacpp:cpu +${PINNED} +${PINNED} `));
    expect(await readdir(join(workspace.cacheDir, "engine-downloads"))).toEqual([]);
    expect(await lemonade(["uninstall", "llamacpp"])).toMatchObject({ code: 0, stdout: "Uninstalled llamacpp:cpu\n" });
    expect(existsSync(folder)).toBe(false);
    expect(await lemonade(["uninstall", "llamacpp:cpu"])).toMatchObject({ code: 1, stderr: expect.stringContaining("is not installed") });
  });

  test("lists every engine with a reason, as a table and as JSON", async () => {
    const rows = JSON.parse((await lemonade(["backends", "--json"])).stdout) as { name: string; default: boolean; reason: string }[];
    expect(rows.map(({ name }) => name).toSorted()).toEqual([
      "embedded",
      "flm",
      "llamacpp:cpu",
      "llamacpp:cuda",
      "llamacpp:from-source",
      "llamacpp:metal",
      "llamacpp:rocm",
      "llamacpp:system",
      "llamacpp:vulkan",
    ]);
    expect(rows.filter((row) => row.default)).toHaveLength(1);
    expect(rows.every(({ reason }) => reason !== "")).toBe(true);
  });

  test("lists what it finds on PATH, is named or is the user's own, as system-info does", async () => {
    const program = async (name: string, text: string): Promise<string> => {
      const path = join(workspace.folder, name, "llama-server");
      await mkdir(join(workspace.folder, name));
      await writeFile(path, text, { mode: 0o755 });
      return path;
    };
    const answers = '#!/bin/sh\necho "version: 9775 (de3ff81)"\n';
    const onPath = await program("path", answers);
    const broken = await program("broken", "#!/bin/sh\nexit 127\n");
    const own = await program("own", answers);
    const more = { PATH: `${join(onPath, "..")}:${process.env["PATH"]}`, LEMONADE_LLAMACPP_BIN: broken, LEMONADE_LLAMACPP_CPU_BIN: own };
    const rows = JSON.parse((await lemonade(["backends", "--json"], more)).stdout) as { name: string }[];
    const listed = Object.fromEntries(rows.map((row) => [row.name, row]));
    expect(listed["llamacpp:system"]).toMatchObject({ installed: true, available: true, version: "b9775-de3ff81", path: onPath });
    expect(listed["llamacpp:bin"]).toMatchObject({
      installed: false,
      available: false,
      reason: `${broken} does not start (exit code 127)`,
    });
    expect(listed["llamacpp:cpu"]).toMatchObject({ installed: true, version: "your own", path: own });
    const info = JSON.parse((await lemonade(["system-info", "--format", "json"], more)).stdout) as Record<string, unknown>;
    expect(info).toMatchObject({
      devices: {
        cpu: {
          inference_engines: {
            "llamacpp-system": { available: true, version: "b9775-de3ff81" },
            "llamacpp-bin": { available: false, error: expect.stringContaining("does not start") },
            "llamacpp-cpu": { available: true, version: "your own" },
          },
        },
      },
    });
  });

  test("installs a version by name, which stays, and the pinned one when asked again", async () => {
    await publish("b42");
    await publish(PINNED);
    expect((await lemonade(["install", "llamacpp:cpu", "--version", "b42"])).code).toBe(0);
    expect(await installedTag()).toBe("b42");
    expect(await readFile(join(folder, "kept.txt"), "utf8")).toBe("b42");
    expect((await lemonade(["install", "llamacpp:cpu"])).code).toBe(0);
    expect(await installedTag()).toBe(PINNED);
    expect(existsSync(join(folder, "kept.txt"))).toBe(false);
  });

  test("keeps the build that was here when the new one does not start", async () => {
    await publish("b42");
    await publish(PINNED, { prologue: "kill -ILL $$" });
    await lemonade(["install", "llamacpp:cpu", "--version", "b42"]);
    const failed = await lemonade(["install", "llamacpp:cpu"]);
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining("does not start") });
    expect(await installedTag()).toBe("b42");
    expect(await readdir(join(folder, ".."))).toEqual(["cpu"]);
  });

  test("says when the API's limit kept it from checking what it fetched, and when it may ask again", async () => {
    await publish(PINNED);
    releases.apiCallsLeft = 0;
    releases.apiLimitResetSeconds = Date.UTC(2026, 0, 1, 13, 37) / 1000;
    const installed = await lemonade(["install", "llamacpp:cpu"]);
    expect(installed).toMatchObject({ code: 0, stderr: expect.stringMatching(/warning: .*digest.*until 13:37 UTC\. .*GITHUB_TOKEN/) });
    expect((await lemonade(["install", "llamacpp:cpu"])).stderr).toBe("");
  });

  test("says what it cannot do, in one sentence each", async () => {
    expect(await lemonade(["install", "vulkan"])).toMatchObject({ code: 2, stderr: expect.stringContaining("llamacpp:vulkan") });
    expect(await lemonade(["install", "embedded", "--from-source"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("Only llamacpp"),
    });
    expect(await lemonade(["install", "embedded", "--version", "1"])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("one version"),
    });
    expect(await lemonade(["install", "llamacpp:cpu", "--version", "b0"])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("There is no release b0"),
    });
    const offline = await lemonade(["install", "llamacpp:cpu"], { LEMONADE_OFFLINE: "1" });
    expect(offline).toMatchObject({ code: 1, stderr: expect.stringContaining("offline mode") });
    const address = await lemonade(["backends"], { LEMONADE_RELEASES_URL: "mirror" });
    expect(address).toMatchObject({ code: 2, stderr: expect.stringContaining("LEMONADE_RELEASES_URL") });
  });

  test("leaves nothing half installed after Ctrl-C, and goes on with the download the next time", async () => {
    await publish(PINNED);
    const stop = releases.faults.add({ kind: "slow", bytesPerSecond: 50_000 });
    const running = startCommand(["install", "llamacpp:cpu"], { workspace, env });
    const downloads = join(workspace.cacheDir, "engine-downloads");
    await until("a part has arrived", async () => {
      const names = await readdir(downloads).catch(() => []);
      return names.some((name) => name.endsWith(".incomplete"));
    });
    running.child.kill("SIGINT");
    expect(await running.result).toMatchObject({ code: 130, stderr: expect.stringContaining("go on with: lemonade install llamacpp:cpu") });
    expect(await readdir(join(folder, "..")).catch(() => [])).toEqual([]);
    stop();
    expect((await lemonade(["install", "llamacpp:cpu"])).code).toBe(0);
    expect(await readdir(downloads)).toEqual([]);
  });
});

describe.skipIf(process.platform !== "linux")("a running server", () => {
  let server: Lemonade;
  let client: LemonadeClient;
  const start = async (flags: readonly string[] = []): Promise<void> => {
    server = await startLemonade({ workspace, env, flags });
    client = new LemonadeClient({ url: server.url });
  };
  afterEach(async () => await server[Symbol.asyncDispose]());

  test("installs for the command and over HTTP, with progress, and removes", async () => {
    await publish(PINNED);
    await start();
    const events = await (await server.post("/api/v1/install", { backend: "llamacpp", variant: "cpu", stream: true })).text();
    expect(events).toMatch(/^event: progress\ndata: \{"stage":"downloading"/);
    expect(events).toMatch(/event: complete\ndata: \{"status":"success",.*"name":"llamacpp:cpu".*\}\n\n$/);
    const stages: string[] = [];
    const again = await client.install("llamacpp:cpu", { force: true, onProgress: ({ stage }) => stages.push(stage) });
    expect(again).toMatchObject({ name: "llamacpp:cpu", version: PINNED, installed_already: false });
    expect(stages).toContain("downloading");
    const plain = await server.post("/api/v1/install", { backend: "llamacpp:cpu" });
    expect(await plain.json()).toMatchObject({ status: "success", installed_already: true });
    const listed = (await client.backends()).find(({ name }) => name === "llamacpp:cpu");
    expect(listed).toMatchObject({ installed: true, version: PINNED, path: join(folder, "llama-server") });
    expect(await lemonade(["uninstall", "llamacpp:cpu"])).toMatchObject({ code: 0 });
    expect(existsSync(folder)).toBe(false);
  });

  test("lists models with the engine that is there now, and also with one that does not even say its options", async () => {
    await publish(PINNED, { prologue: `if [ "$1" = --help ]; then echo "-m, --model FILE  the model"; exit; fi` });
    await start();
    const planned = async () => {
      const { data } = (await (await server.fetch("/models")).json()) as { data: { id: string; status: { args: string[] } }[] };
      return data.find(({ id }) => id === "tiny")?.status.args[0];
    };
    expect(await planned()).toBeUndefined();
    await client.install("llamacpp:cpu");
    expect(await planned()).toBe(join(folder, "llama-server"));
    await client.uninstall("llamacpp:cpu");
    expect(await planned()).toBeUndefined();
    await publish(PINNED);
    await client.install("llamacpp:cpu");
    expect(await planned()).toBeUndefined();
    expect(await (await server.fetch("/props")).json()).toMatchObject({ build_info: "b0-unknown" });
  });

  test("tells errors by their codes", async () => {
    await start();
    expect(await (await server.post("/api/v1/install", { backend: "other" })).json()).toMatchObject({ error: { code: "invalid_request" } });
    expect((await server.post("/api/v1/install", {})).status).toBe(400);
    expect((await server.post("/api/v1/uninstall", { backend: "llamacpp:cpu" })).status).toBe(422);
    expect(await rejection(client.install("llamacpp:cpu", { version: "b0" }))).toMatchObject({ code: "install_failed" });
    expect((await rejection(client.install("flm"))).message).toContain("AMD Ryzen AI NPU");
  });

  test("lets only administrators see and change engines", async () => {
    const { stdout } = await lemonade(["keys", "add", "manager", "--scopes", "infer,manage"]);
    const headers = { authorization: `Bearer ${/\S{20,}/.exec(stdout)?.[0]}` };
    await start();
    expect((await server.fetch("/api/v1/models", { headers })).status).toBe(200);
    expect((await server.fetch("/api/v1/backends", { headers })).status).toBe(403);
    for (const path of ["install", "uninstall"]) {
      const answer = await server.fetch(`/api/v1/${path}`, { method: "POST", headers, body: JSON.stringify({ backend: "llamacpp:cpu" }) });
      expect(answer.status).toBe(403);
    }
    expect(releases.requests).toEqual([]);
  });

  test("ends an installation whose caller leaves", async () => {
    await publish(PINNED);
    releases.faults.add({ kind: "slow", bytesPerSecond: 50_000 });
    await start();
    const leaving = new AbortController();
    const installing = client.install("llamacpp:cpu", { signal: leaving.signal, onProgress: () => leaving.abort(new Error("left")) });
    expect((await rejection(installing)).message).toBe("left");
    await until("the lock is free", async () => (await readdir(join(folder, ".."))).length === 0);
    expect(existsSync(folder)).toBe(false);
  });
});

describeWith("llamacpp", "the build that a server was told to use", () => {
  let server: Lemonade | undefined;
  const chat = async (flags: readonly string[], more: Record<string, string> = {}) => {
    server = await startLemonade({ workspace, env: { ...env, ...more }, flags: [...flags, "--llamacpp-args", "--threads 1"] });
    return await server.post("/v1/chat/completions", { model: "tiny", messages: [{ role: "user", content: "Hi" }], max_tokens: 4 });
  };
  afterEach(async () => {
    await server?.[Symbol.asyncDispose]();
    server = undefined;
  });

  test("is installed before its first model, and runs it", async () => {
    await publish(PINNED, { prologue: REAL_BEHIND });
    expect((await chat(["--llamacpp", "cpu"])).status).toBe(200);
    expect(await installedTag()).toBe(PINNED);
    expect(server?.log()).toContain(`llamacpp:cpu ${PINNED} is installed`);
    const refused = await server?.post("/api/v1/uninstall", { backend: "llamacpp:cpu" });
    expect(refused?.status).toBe(409);
    expect(await refused?.json()).toMatchObject({ error: { code: "backend_in_use" } });
    await server?.post("/api/v1/unload", {});
    expect((await server?.post("/api/v1/uninstall", { backend: "llamacpp:cpu" }))?.status).toBe(200);
  });

  test("is replaced when the pin has moved, not when the user chose it", async () => {
    await publish("b42", { prologue: REAL_BEHIND });
    await publish(PINNED, { prologue: REAL_BEHIND });
    await lemonade(["install", "llamacpp:cpu", "--version", "b42"]);
    expect((await chat(["--llamacpp", "cpu"])).status).toBe(200);
    expect(await installedTag()).toBe("b42");
    await server?.[Symbol.asyncDispose]();
    await writeFile(join(folder, "kept.txt"), "");
    expect((await chat(["--llamacpp", "cpu"])).status).toBe(200);
    expect(await installedTag()).toBe(PINNED);
  });

  test("serves in its older version when the new one cannot be had", async () => {
    await publish("b42", { prologue: REAL_BEHIND });
    await lemonade(["install", "llamacpp:cpu", "--version", "b42"]);
    await writeFile(join(folder, "kept.txt"), "");
    expect((await chat(["--llamacpp", "cpu"])).status).toBe(200);
    expect(server?.log()).toContain("the installed build serves");
    expect(await installedTag()).toBe("b42");
  });

  test("is missing in offline mode, which is said", async () => {
    const answer = await chat(["--llamacpp", "cpu"], { LEMONADE_OFFLINE: "1" });
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ error: { code: "offline", message: expect.stringContaining("offline mode") } });
    expect(releases.requests).toEqual([]);
  });

  test("is the user's own where one is named, and gets the variables beside it", async () => {
    const own = join(workspace.folder, "my-llama-server");
    await writeFile(own, `#!/bin/sh\n${REAL_BEHIND}\n`, { mode: 0o755 });
    await writeFile(join(workspace.folder, ".env"), "HIP_VISIBLE_DEVICES=3\n");
    expect((await chat(["--llamacpp", "cpu"], { LEMONADE_LLAMACPP_CPU_BIN: own })).status).toBe(200);
    expect(await readFile(join(workspace.folder, "devices"), "utf8")).toBe("3\n");
    expect(releases.requests).toEqual([]);
  });
});
