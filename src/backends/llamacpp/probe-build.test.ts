import { expect, test } from "bun:test";
import { mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { explainFailedStart, parseBuildInfo, parseDeviceList, parseFlags, parseVersion, probeBuild } from "./probe-build.ts";

const HELP = `----- common params -----
-h,    --help, --usage                  print usage and exit
-a,    --alias STRING                   set model name aliases, comma-separated (--not-a-flag)
--keep N                                number of tokens to keep from the initial prompt (default: 0, -1 =
                                        --indented text is no flag
-kvo,  --kv-offload, -nkvo, --no-kv-offload
                                        whether to enable KV cache offloading
-fa,   --flash-attn [on|off|auto]       set Flash Attention use
`;

test("every spelling in the option column of the help text is a known flag, and nothing else", () => {
  const expected = "-h --help --usage -a --alias --keep -kvo --kv-offload -nkvo --no-kv-offload -fa --flash-attn";
  expect([...parseFlags(HELP)]).toEqual(expected.split(" "));
});

test("build and commit are read from both generations, and have a form that clients can read when there is neither", () => {
  expect(parseBuildInfo(["version: 0.5.0-dev (build 1, commit de3ff81)", "built with GNU"])).toBe("b1-de3ff81");
  expect(parseBuildInfo(["version: 9775 (de3ff81)"])).toBe("b9775-de3ff81");
  expect(parseBuildInfo(["version: 0.0.0 (misbehaving engine)"])).toBe("b0-unknown");
  expect(parseBuildInfo([])).toBe("b0-unknown");
});

test("the version line is found between a log line and the compiler, in both forms", () => {
  const current = [
    "0.00.000.414 I srv  llama_server: initializing ...",
    "version: 0.5.0-dev (build 1, commit de3ff81)",
    "built with GNU 12.2.0",
  ];
  expect(parseVersion(current)).toBe("0.5.0-dev (build 1, commit de3ff81)");
  expect(parseVersion(["version: 9775 (de3ff81)", "built with Clang"])).toBe("9775 (de3ff81)");
  expect(parseVersion(["error: unknown argument"])).toBeUndefined();
});

test("devices are listed with id and name", () => {
  const lines = [
    "ggml_vulkan: Found 2 Vulkan devices:",
    "Available devices:",
    "  Vulkan0: AMD Radeon RX 7900 XTX (RADV NAVI31) (24560 MiB, 24524 MiB free)",
    "  CUDA1: NVIDIA GeForce RTX 4090 (24081 MiB, 23700 MiB free)",
    "  RPC0[192.168.1.5:50052]: 192.168.1.5:50052 (8192 MiB, 8000 MiB free)",
    "  BLAS: OpenBLAS",
  ];
  expect(parseDeviceList(lines)).toEqual([
    { id: "Vulkan0", name: "AMD Radeon RX 7900 XTX (RADV NAVI31)" },
    { id: "CUDA1", name: "NVIDIA GeForce RTX 4090" },
    { id: "RPC0[192.168.1.5:50052]", name: "192.168.1.5:50052" },
    { id: "BLAS", name: "OpenBLAS" },
  ]);
});

test("no device and no list are two things", () => {
  expect(parseDeviceList(["Available devices:", "  (none)"])).toEqual([]);
  expect(parseDeviceList(["Available devices:"])).toEqual([]);
  expect(parseDeviceList(["error: invalid argument: --list-devices"])).toBeUndefined();
});

test.each([
  ["llama-server: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by libggml.so)", undefined, "--from-source"],
  ["llama-server: /lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found", undefined, "--from-source"],
  ["llama-server: error while loading shared libraries: libgomp.so.1: cannot open shared object file", undefined, "libgomp.so.1"],
  ["", "signal SIGILL", "instructions"],
  ["", "spawn ENOENT", "do not fit"],
])("a failed start %# is explained", (output, failure, part) => {
  expect(explainFailedStart({ lines: [output], failure })).toContain(part);
});

test("a failure without a known cause is left to its own words", () => {
  expect(explainFailedStart({ lines: ["something else"], failure: "signal SIGSEGV" })).toBeUndefined();
});

test.skipIf(process.platform === "win32")("a build is asked once, and again when its file has changed or it failed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "probe-build-"));
  try {
    const [program, asked, broken] = ["llama-server", "asked", "broken"].map((name) => join(folder, name)) as [string, string, string];
    const answer = 'echo "--keep N  help"; echo "version: 9775 (de3ff81)"';
    await writeFile(program, `#!/bin/sh\necho "$1" >> ${asked}; [ -e ${broken} ] && exit 127; ${answer}\n`, { mode: 0o755 });
    const env = { PATH: process.env["PATH"] };
    const questions = async () => (await readFile(asked, "utf8")).split("\n").length - 1;
    const [first, second] = await Promise.all([probeBuild(program, { env }), probeBuild(program, { env })]);
    expect(first).toMatchObject({ buildInfo: "b9775-de3ff81", flags: new Set(["--keep"]) });
    expect(await probeBuild(program, { env })).toBe(second);
    expect(await questions()).toBe(2);
    await utimes(program, 1, 1);
    await writeFile(broken, "");
    expect(await probeBuild(program, { env })).toEqual({ failure: "exit code 127", lines: [] });
    await rm(broken);
    expect(await probeBuild(program, { env })).toMatchObject({ buildInfo: "b9775-de3ff81" });
    expect(await questions()).toBe(6);
  } finally {
    await rm(folder, { recursive: true });
  }
});
