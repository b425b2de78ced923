import { describe, expect, test } from "bun:test";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { InstallProgress } from "../../src/backends/install/index.ts";
import {
  installLlamaCppRelease,
  listInstalledLlamaCpp,
  readEnvFile,
  readReleaseTable,
  uninstallLlamaCpp,
  type InstallReleaseOptions,
  type ReleaseTable,
} from "../../src/backends/llamacpp/install/index.ts";
import { errorMessage } from "../../src/errors.ts";
import type { GpuFacts, SystemFacts } from "../../src/platform/system-info/index.ts";
import {
  makeTarGz,
  plainDownload,
  releaseArchive,
  ReleaseServer,
  type FakeBuild,
  type ReleaseOptions,
} from "../fixtures/releases/index.ts";

const LLAMA_CPP = "ggml-org/llama.cpp";
const PINNED = "b11211";

/** The table of the program, with the tag that the tests publish. */
function tableAt(tag: string): ReleaseTable {
  const table = readReleaseTable();
  const sources = Object.fromEntries(Object.entries(table.sources).map(([name, source]) => [name, { ...source, tag }]));
  return { ...table, sources, sha256: {} };
}

function linux(gpus: readonly GpuFacts[] = []): SystemFacts {
  return {
    os: { platform: "linux", arch: "x64", version: "test", isWsl: false },
    cpu: { name: "CPU", cores: 2, threads: 2 },
    memoryBytes: 2 ** 33,
    gpus,
    npu: undefined,
    vulkan: { hasLoader: true },
    problems: [],
  };
}

const assetName = (variant: string, tag: string): string => `llama-${tag}-bin-ubuntu-${variant === "cpu" ? "" : `${variant}-`}x64.tar.gz`;

async function setUp() {
  const root = await mkdtemp(join(tmpdir(), "install-release-"));
  const server = await ReleaseServer.start();
  const binDir = join(root, "bin");
  const progress: InstallProgress[] = [];
  const base: InstallReleaseOptions = {
    variant: "cpu",
    binDir,
    downloadsDir: join(root, "downloads"),
    facts: linux(),
    downloadFile: plainDownload,
    env: process.env,
    mirrorUrl: server.url,
    table: tableAt(PINNED),
    onProgress: (step) => progress.push(step),
  };
  return {
    root,
    server,
    progress,
    folder: (variant = "cpu") => join(binDir, "llamacpp", variant),
    install: (options: Partial<InstallReleaseOptions> = {}) => installLlamaCppRelease({ ...base, ...options }),
    publish: async (
      tag = PINNED,
      build: Partial<FakeBuild> = {},
      { variant = "cpu", ...options }: ReleaseOptions & { variant?: string } = {},
    ) => {
      const name = assetName(variant, tag);
      server.publish(LLAMA_CPP, tag, { [name]: await releaseArchive(name, { tag, ...build }) }, options);
    },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await rm(root, { recursive: true });
    },
  };
}

const listBin = async (folder: string): Promise<string[]> => (await readdir(join(folder, ".."))).toSorted();

// The fake program is a shell script, and the published files for Linux are what the machine facts ask for.
describe.skipIf(process.platform === "win32")("installing a published build", () => {
  test("the archive is fetched, unpacked and tried, and leaves nothing else behind", async () => {
    await using place = await setUp();
    await place.publish();
    const result = await place.install();
    expect(result).toMatchObject({ variant: "cpu", tag: PINNED, wasInstalledAlready: false, warnings: [] });
    expect(result.executable).toBe(join(place.folder(), "llama-server"));
    expect((await readdir(place.folder())).toSorted()).toEqual([
      "LICENSE",
      "backend.txt",
      "libllama.so",
      "libllama.so.0",
      "llama-server",
      "version.txt",
    ]);
    expect(await readFile(join(place.folder(), "version.txt"), "utf8")).toBe(PINNED);
    expect(await readFile(join(place.folder(), "backend.txt"), "utf8")).toBe("cpu");
    expect(await listBin(place.folder())).toEqual(["cpu"]);
    expect(await readdir(join(place.root, "downloads"))).toEqual([]);
    expect([...new Set(place.progress.map(({ stage }) => stage))]).toEqual(["downloading", "unpacking", "checking", "finishing"]);
  });

  test("what is installed already needs no network", async () => {
    await using place = await setUp();
    await place.publish();
    await place.install();
    const asked = place.server.requests.length;
    expect(await place.install({ isOffline: true })).toMatchObject({ wasInstalledAlready: true, tag: PINNED });
    expect(place.server.requests).toHaveLength(asked);
  });

  test("force installs again", async () => {
    await using place = await setUp();
    await place.publish();
    const { executable } = await place.install();
    await writeFile(executable, "broken");
    expect(await place.install({ force: true })).toMatchObject({ wasInstalledAlready: false });
    expect(await readFile(executable, "utf8")).toStartWith("#!/bin/sh");
  });

  test("offline mode says what is missing", async () => {
    await using place = await setUp();
    expect(await place.install({ isOffline: true }).catch(errorMessage)).toContain("offline mode");
    expect(place.server.requests).toEqual([]);
  });

  test("two installers at once fetch once", async () => {
    await using place = await setUp();
    await place.publish();
    const results = await Promise.all([place.install(), place.install(), place.install()]);
    expect(results.filter(({ wasInstalledAlready }) => !wasInstalledAlready)).toHaveLength(1);
    expect(place.server.requests.filter(({ origin }) => origin === "files")).toHaveLength(1);
  });

  test("a moved pin upgrades, and a missing marker file reinstalls", async () => {
    await using place = await setUp();
    await place.publish("b1");
    await place.publish("b2");
    await place.install({ table: tableAt("b1") });
    expect(await place.install({ table: tableAt("b2") })).toMatchObject({ tag: "b2", wasInstalledAlready: false });
    expect(await readFile(join(place.folder(), "version.txt"), "utf8")).toBe("b2");
    await rm(join(place.folder(), "backend.txt"));
    expect(await place.install({ table: tableAt("b2") })).toMatchObject({ wasInstalledAlready: false });
    expect(await listBin(place.folder())).toEqual(["cpu"]);
  });

  test("a new build that does not start never takes the place of the old one", async () => {
    await using place = await setUp();
    await place.publish("b1");
    await place.publish("b2", { prologue: "echo 'libc.so.6: version `GLIBC_2.99'\"'\"' not found' >&2; exit 1" });
    await place.install({ table: tableAt("b1") });
    const error: unknown = await place.install({ table: tableAt("b2") }).catch((caught: unknown) => caught);
    expect(error).toHaveProperty("code", "INSTALL_FAILED");
    expect(error).toHaveProperty("hint", expect.stringContaining("--from-source"));
    expect(await readFile(join(place.folder(), "version.txt"), "utf8")).toBe("b1");
    expect(await listBin(place.folder())).toEqual(["cpu"]);
  });

  test("a new build that does not start in its final place is taken back", async () => {
    await using place = await setUp();
    await place.publish("b1");
    // It starts anywhere but at the path without `staging`.
    await place.publish("b2", { prologue: 'case "$0" in *staging*) ;; *) echo "wrong place" >&2; exit 9 ;; esac' });
    await place.install({ table: tableAt("b1") });
    const error: unknown = await place.install({ table: tableAt("b2") }).catch((caught: unknown) => caught);
    expect(error).toHaveProperty("hint", "The previous version is back in its place.");
    expect(error).toHaveProperty("logTail", ["wrong place"]);
    expect(await readFile(join(place.folder(), "version.txt"), "utf8")).toBe("b1");
    expect(await listBin(place.folder())).toEqual(["cpu"]);
    expect(await place.install({ table: tableAt("b1") })).toMatchObject({ wasInstalledAlready: true });
  });

  test("a download that is cut goes on where it was", async () => {
    await using place = await setUp();
    await place.publish();
    // Slowly, so that the first bytes have been read when the connection breaks.
    place.server.faults.add({ kind: "slow", bytesPerSecond: 2_000_000, times: 1 });
    place.server.faults.add({ kind: "cut", afterBytes: 250_000, times: 1 });
    await place.install();
    const [first, second] = place.server.requests.filter(({ origin }) => origin === "files").map(({ range }) => range);
    expect(first).toBeUndefined();
    expect(second).toMatch(/^bytes=[1-9]\d+-$/);
  });

  test("a file with another digest than the published one is refused", async () => {
    await using place = await setUp();
    await place.publish();
    place.server.faults.add({ kind: "corrupt", atByte: 50 });
    expect(await place.install().catch(errorMessage)).toContain("digest");
    expect(await stat(place.folder()).catch(() => "nothing")).toBe("nothing");
  });

  test("a damaged archive is not used again by the next try", async () => {
    await using place = await setUp();
    await place.publish(PINNED, {}, { hasDigests: false });
    place.server.faults.add({ kind: "corrupt", atByte: 50, times: 1 });
    expect(await place.install().catch(errorMessage)).toContain("is damaged");
    expect(await place.install()).toMatchObject({ wasInstalledAlready: false });
    expect(await listBin(place.folder())).toEqual(["cpu"]);
  });

  test("an archive without llama-server is refused", async () => {
    await using place = await setUp();
    place.server.publish(LLAMA_CPP, PINNED, { [assetName("cpu", PINNED)]: await makeTarGz([{ path: "README", text: "hello" }]) });
    expect(await place.install().catch(errorMessage)).toContain("holds no llama-server");
  });

  test("an abort in the middle of a download leaves the old build and a file to go on with", async () => {
    await using place = await setUp();
    await place.publish();
    place.server.faults.add({ kind: "stall", afterBytes: 100, until: new Promise(() => undefined) });
    const controller = new AbortController();
    const running = place.install({
      signal: controller.signal,
      onProgress: ({ bytesDone = 0 }) => void (bytesDone >= 100 && controller.abort(new Error("enough"))),
    });
    expect(await running.catch(errorMessage)).toBe("enough");
    expect(await readdir(join(place.root, "downloads"))).toEqual([expect.stringContaining(".part")]);
    expect(await readdir(join(place.root, "bin", "llamacpp"))).toEqual([]);
  });

  test("the user's own executable keeps the installer away", async () => {
    await using place = await setUp();
    const own = join(place.root, "my-server");
    await writeFile(own, "");
    expect(await place.install({ ownExecutable: own })).toMatchObject({ executable: own, wasInstalledAlready: true });
    expect(place.server.requests).toEqual([]);
  });

  test("uninstalling removes the build once", async () => {
    await using place = await setUp();
    await place.publish();
    await place.install();
    const binDir = join(place.root, "bin");
    expect(await listInstalledLlamaCpp(binDir)).toEqual([
      { variant: "cpu", tag: PINNED, isKept: false, executable: join(binDir, "llamacpp", "cpu", "llama-server") },
    ]);
    expect(await uninstallLlamaCpp(binDir, "cpu")).toBe(true);
    expect(await uninstallLlamaCpp(binDir, "cpu")).toBe(false);
    expect(await uninstallLlamaCpp(binDir, "../../root")).toBe(false);
    expect(await readdir(join(binDir, "llamacpp"))).toEqual([]);
    expect(await listInstalledLlamaCpp(binDir)).toEqual([]);
    expect(await listInstalledLlamaCpp(join(place.root, "nowhere"))).toEqual([]);
  });
});

describe.skipIf(process.platform === "win32")("finding the files of a release", () => {
  test("a pinned digest spares the API", async () => {
    await using place = await setUp();
    await place.publish();
    const archive = await releaseArchive(assetName("cpu", PINNED), { tag: PINNED });
    const sha256 = new Bun.CryptoHasher("sha256").update(archive).digest("hex");
    const table = { ...tableAt(PINNED), sha256: { [`${PINNED}/${assetName("cpu", PINNED)}`]: sha256 } };
    await place.install({ table });
    expect(place.server.requests.map(({ origin }) => origin)).toEqual(["web", "files"]);
  });

  test("a used-up API limit does not stand in the way of a file whose name is known", async () => {
    await using place = await setUp();
    await place.publish();
    place.server.apiCallsLeft = 0;
    expect(await place.install()).toMatchObject({ tag: PINNED, warnings: [expect.stringContaining("published digest")] });
  });

  test("a token is never sent to a mirror or along a redirect", async () => {
    await using place = await setUp();
    await place.publish();
    await place.install({ githubToken: "ghp_secret" });
    expect(place.server.requests.map(({ authorization }) => authorization)).toEqual([undefined, undefined, undefined]);
  });

  test("an unknown release is named, with nothing downloaded", async () => {
    await using place = await setUp();
    await place.publish();
    expect(await place.install({ tag: "b99999" }).catch(errorMessage)).toBe(`There is no release b99999 of ${LLAMA_CPP}`);
    expect(place.server.requests.map(({ origin }) => origin)).toEqual(["api"]);
  });

  test("an older release with another archive format is found", async () => {
    await using place = await setUp();
    const name = "llama-b7247-bin-ubuntu-x64.zip";
    place.server.publish(LLAMA_CPP, "b7247", { [name]: await releaseArchive(name, { tag: "b7247" }, { mode: 0o644 }) });
    const { executable } = await place.install({ tag: "b7247" });
    expect(executable).toBe(join(place.folder(), "build", "bin", "llama-server"));
  });

  test("a release without the file says what it has", async () => {
    await using place = await setUp();
    await place.publish(PINNED, {}, { variant: "vulkan" });
    const error: unknown = await place
      .install({ variant: "vulkan", facts: { ...linux(), os: { ...linux().os, arch: "arm64" } } })
      .catch((caught: unknown) => caught);
    expect(errorMessage(error)).toContain("has no file llama-b11211-bin-ubuntu-vulkan-arm64.tar.gz");
    expect(error).toHaveProperty("hint", "It has llama-b11211-bin-ubuntu-vulkan-x64.tar.gz.");
  });

  test("a server that does not answer is named", async () => {
    await using place = await setUp();
    await place.server[Symbol.asyncDispose]();
    expect(await place.install().catch(errorMessage)).toContain(new URL(place.server.url).host);
  });
});

describe.skipIf(process.platform === "win32")("variants", () => {
  test("a GPU build that finds no GPU says so", async () => {
    await using place = await setUp();
    await place.publish(PINNED, {}, { variant: "vulkan" });
    const result = await place.install({ variant: "vulkan" });
    expect(result.devices).toEqual([]);
    expect(result.warnings).toEqual([expect.stringContaining("finds no GPU")]);
  });

  test("the libraries of CUDA come beside the executable", async () => {
    await using place = await setUp();
    const name = "llama-b11211-bin-ubuntu-cuda-13.4-x64.tar.gz";
    place.server.publish(LLAMA_CPP, PINNED, {
      [name]: await releaseArchive(name, { tag: PINNED, devices: ["CUDA0: NVIDIA H200 (143771 MiB, 143000 MiB free)"] }),
      [`cudart-${name}`]: await makeTarGz([{ path: `cudart-${name.replace(".tar.gz", "")}/libcudart.so.13`, text: "runtime" }]),
    });
    const card: GpuFacts = { vendor: "nvidia", name: "NVIDIA H200", isIntegrated: false, driverVersion: "580", cudaVersion: "13.0" };
    const result = await place.install({ variant: "cuda", facts: linux([card]) });
    expect(result.devices).toEqual([{ id: "CUDA0", name: "NVIDIA H200" }]);
    expect(result.warnings).toEqual([]);
    expect(await readdir(place.folder("cuda"))).toContain("libcudart.so.13");
    expect(await listBin(place.folder("cuda"))).toEqual(["cuda"]);
  });

  test("ROCm gets the build of its family and the device to use", async () => {
    await using place = await setUp();
    const name = "llama-b11211-ubuntu-rocm-gfx110X-x64.zip";
    const devices = ["ROCm0: AMD Radeon Graphics (512 MiB, 400 MiB free)", "ROCm1: AMD Radeon RX 7900 XTX (24560 MiB, 24524 MiB free)"];
    const archive = await releaseArchive(name, { tag: PINNED, devices }, { layout: "", mode: 0o644 });
    place.server.publish("lemonade-sdk/llamacpp-rocm", PINNED, { [name]: archive });
    const card: GpuFacts = { vendor: "amd", name: "AMD Radeon RX 7900 XTX", isIntegrated: false };
    const result = await place.install({ variant: "rocm", facts: linux([card]) });
    expect(result.executable).toBe(join(place.folder("rocm"), "llama-server"));
    expect(await readFile(join(place.folder("rocm"), ".env"), "utf8")).toBe("HIP_VISIBLE_DEVICES=1\n");
    expect(await readEnvFile(result.executable)).toEqual({ HIP_VISIBLE_DEVICES: "1" });
  });

  test.each([
    [{ variant: "metal" }, "not published for metal on linux x64"],
    [{ variant: "rocm" }, "needs an AMD GPU"],
    [
      { variant: "rocm", facts: linux([{ vendor: "amd", name: "Radeon RX 580", isIntegrated: false }]) },
      "No ROCm build is published for Radeon RX 580",
    ],
    [
      { variant: "cuda", facts: linux([{ vendor: "nvidia", name: "Tesla K80", isIntegrated: false, cudaVersion: "11.4" }]) },
      "this one runs CUDA 11.4",
    ],
  ] as const)("what cannot work is refused before any question to the network: %#", async (options, message) => {
    await using place = await setUp();
    const error: unknown = await place.install(options).catch((caught: unknown) => caught);
    expect(error).toHaveProperty("code", "BACKEND_NOT_INSTALLED");
    expect(errorMessage(error)).toContain(message);
    expect(place.server.requests).toEqual([]);
  });
});
