import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { installBinaries, resolveExecutable, type InstallBinariesOptions } from "../../src/index.ts";
import { rejection } from "../fixtures/index.ts";
import { makeTarGz, makeZip, ReleaseServer } from "../fixtures/releases/index.ts";
import { temporaryFolder } from "../fixtures/temporary-folder.ts";

const REPOSITORY = "BodhiSearch/llama.cpp";
const LINUX = "x86_64-unknown-linux-gnu";
const MAC = "aarch64-apple-darwin";
let server: ReleaseServer;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let binDir: string;

beforeEach(async () => {
  server = await ReleaseServer.start();
  folder = await temporaryFolder();
  binDir = join(folder.path, "bin");
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const install = async (options: Partial<InstallBinariesOptions> = {}) =>
  await installBinaries({ binDir, target: LINUX, mirrorUrl: server.url, retryPauseMs: 0, ...options });
const assetName = (variant: string, target: string = LINUX) => `llama-server--${target}--${variant}`;
const archive = (text: string) =>
  makeZip([
    { path: "llama-server", text },
    { path: "libllama.so", text: "library" },
  ]);
const questions = () => server.requests.filter(({ origin }) => origin === "api").length;

describe("builds of the engine", () => {
  test("are fetched from the newest release of servers into the layout in which they are looked up", async () => {
    server.publish(REPOSITORY, "server-2", { [`${assetName("cpu")}.zip`]: archive("new") });
    server.publish(REPOSITORY, "server-1", { [`${assetName("cpu")}.zip`]: archive("old") }, { createdAt: "2025-01-01T00:00:00Z" });
    server.publish(REPOSITORY, "docker-3", { [`${assetName("cpu")}.zip`]: archive("not this") });
    server.publish(REPOSITORY, "server-4", {});
    const stages: string[] = [];
    const [cpu, ...others] = await install({ onProgress: ({ stage }) => stages.push(stage) });
    const executable = await resolveExecutable({ lookupPath: binDir, target: LINUX });
    expect([cpu, ...others]).toEqual([{ target: LINUX, variant: "cpu", tag: "server-2", executable, wasInstalledAlready: false }]);
    expect(await readFile(executable, "utf8")).toBe("new");
    expect(await readFile(join(executable, "..", "libllama.so"), "utf8")).toBe("library");
    expect(new Set(stages)).toEqual(new Set(["downloading", "unpacking", "finishing"]));
    expect((await readdir(binDir)).toSorted()).toEqual([LINUX]);
  });

  test("come as archives of any kind or as the bare program, for any platform and several variants", async () => {
    server.publish(REPOSITORY, "server-1", {
      [assetName("metal", MAC)]: "bare",
      [`${assetName("cpu", MAC)}.tar.gz`]: await makeTarGz([{ path: "llama-1/llama-server", text: "packed" }]),
      [`${assetName("cpu", "x86_64-pc-windows-msvc")}.exe`]: "windows",
    });
    const both = await install({ target: MAC, variants: ["metal", "cpu"] });
    expect(both.map(({ variant }) => variant)).toEqual(["metal", "cpu"]);
    expect(await Promise.all(both.map(async ({ executable }) => await readFile(executable, "utf8")))).toEqual(["bare", "packed"]);
    const [windows] = await install({ target: "x86_64-pc-windows-msvc" });
    expect(windows?.executable).toEndWith(join("cpu", "llama-server.exe"));
    expect(questions()).toBe(2);
    if (process.platform !== "win32") expect((await stat(both[0]?.executable ?? "")).mode & 0o777).toBe(0o755);
  });

  test("are left alone while they are current, replaced by a newer release, and fetched again when that is wanted", async () => {
    server.publish(REPOSITORY, "server-1", { [assetName("cpu")]: "one" });
    await install();
    expect(await install()).toMatchObject([{ tag: "server-1", wasInstalledAlready: true }]);
    server.publish(REPOSITORY, "server-2", { [assetName("cpu")]: "two" });
    expect(await install()).toMatchObject([{ tag: "server-2", wasInstalledAlready: false }]);
    expect(await install({ force: true })).toMatchObject([{ wasInstalledAlready: false }]);
    expect(await install({ tag: "server-1" })).toMatchObject([{ tag: "server-1", wasInstalledAlready: false }]);
    const asked = questions();
    expect(await install({ tag: "server-1" })).toMatchObject([{ tag: "server-1", wasInstalledAlready: true }]);
    expect(questions()).toBe(asked);
  });

  test("are fetched once by two callers at once", async () => {
    server.publish(REPOSITORY, "server-1", { [assetName("cpu")]: "one" });
    const results = await Promise.all([install(), install()]);
    expect(new Set(results.map(([build]) => build?.wasInstalledAlready))).toEqual(new Set([false, true]));
  });

  test("that are not published are said with what there is, and nothing changes", async () => {
    server.publish(REPOSITORY, "server-1", { [`${assetName("cuda-12.6")}.zip`]: archive("one") });
    const missing = await rejection(install({ variants: ["cuda-12"] }));
    expect(missing).toMatchObject({ code: "INSTALL_FAILED", hint: expect.stringContaining("cuda-12.6.zip") });
    expect((await rejection(install({ tag: "server-9" }))).message).toContain("no release server-9");
    expect((await rejection(install({ tagPrefix: "other-" }))).message).toContain("begins with other-");
    expect(await rejection(install({ variants: ["../elsewhere"] }))).toMatchObject({ field: "variant" });
    expect(await readdir(binDir)).toEqual([]);
  });

  test("are tried again when a download fails, as often as is wanted", async () => {
    const repository = "o/r";
    await using place = await temporaryFolder();
    server.publish(repository, "server-1", { [assetName("cpu")]: "one" });
    // The address is known to the API, but the file is gone.
    server.withdraw(repository, "server-1", assetName("cpu"));
    const error = await rejection(install({ repository, binDir: place.path, attempts: 2 }));
    expect(error).toMatchObject({ code: "INSTALL_FAILED", message: expect.stringContaining("404") });
    expect(server.requests.filter(({ origin }) => origin === "web")).toHaveLength(2);
  });

  test("that are damaged or hold no engine take nobody's place", async () => {
    server.publish(REPOSITORY, "server-1", { [`${assetName("cpu")}.zip`]: archive("good") });
    const [good] = await install();
    server.publish(REPOSITORY, "server-2", { [`${assetName("cpu")}.zip`]: "no archive" });
    expect((await rejection(install())).message).toContain("damaged");
    server.publish(REPOSITORY, "server-3", { [`${assetName("cpu")}.zip`]: makeZip([{ path: "README", text: "nothing" }]) });
    expect((await rejection(install())).message).toContain("holds no llama-server");
    server.publish(REPOSITORY, "server-4", { [`${assetName("cpu")}.zip`]: makeZip([{ path: "../llama-server", text: "evil" }]) });
    expect((await rejection(install())).message).toContain("../llama-server");
    expect(await readFile(good?.executable ?? "", "utf8")).toBe("good");
    expect(existsSync(join(binDir, LINUX, "llama-server"))).toBe(false);
    expect(await readdir(join(binDir, LINUX))).toEqual(["cpu"]);
  });

  test("are left as they are when the caller goes, or another installation takes too long", async () => {
    server.publish(REPOSITORY, "server-1", { [`${assetName("cpu")}.zip`]: archive("x".repeat(10)) });
    const leaving = new AbortController();
    const left = rejection(install({ signal: leaving.signal, onProgress: () => leaving.abort(new Error("left")) }));
    expect((await left).message).toBe("left");
    await mkdir(binDir, { recursive: true });
    await writeFile(join(binDir, "install.lock"), "held by nobody knows whom");
    expect(await rejection(install({ lockTimeoutMs: 1 }))).toMatchObject({ code: "io_error-with_path" });
  });
});
