import { expect, test } from "bun:test";
import { explainFailedStart, parseDeviceList, parseVersionLine } from "./probe-llama-server.ts";

test("the version line is found between a log line and the compiler, in both forms", () => {
  const current = [
    "0.00.000.414 I srv  llama_server: initializing ...",
    "version: 0.5.0-dev (build 1, commit de3ff81)",
    "built with GNU 12.2.0",
  ];
  expect(parseVersionLine(current)).toBe("0.5.0-dev (build 1, commit de3ff81)");
  expect(parseVersionLine(["version: 9775 (de3ff81)", "built with Clang"])).toBe("9775 (de3ff81)");
  expect(parseVersionLine(["error: unknown argument"])).toBeUndefined();
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
  expect(explainFailedStart(output, failure)).toContain(part);
});

test("a failure without a known cause is left to its own words", () => {
  expect(explainFailedStart("something else", "signal SIGSEGV")).toBeUndefined();
});
