import { expect, test } from "bun:test";
import type { GpuFacts, SystemFacts } from "../../../platform/system-info/index.ts";
import { chooseDefaultVariant, releaseNeeds, reportVariants } from "./choose-variant.ts";
import { chooseRelease, readReleaseTable, type ReleaseTable } from "./release-table.ts";
import { chooseHipDevice, chooseRocmFamily, rocmFamilyOfTarget } from "./rocm-family.ts";

const table: ReleaseTable = { ...readReleaseTable(), sha256: { "b11211/llama-b11211-bin-ubuntu-x64.tar.gz": "0".repeat(64) } };

function machine(platform: NodeJS.Platform, arch: string, gpus: readonly GpuFacts[] = [], hasLoader = gpus.length > 0): SystemFacts {
  return {
    os: { platform, arch, version: "test", isWsl: false },
    cpu: { name: "CPU", cores: 4, threads: 8 },
    memoryBytes: 2 ** 34,
    gpus,
    npu: undefined,
    vulkan: { hasLoader },
    problems: [],
  };
}

const gpu = (vendor: GpuFacts["vendor"], name: string, rest: Partial<GpuFacts> = {}): GpuFacts => ({
  vendor,
  name,
  isIntegrated: false,
  ...rest,
});
const GEFORCE = gpu("nvidia", "NVIDIA GeForce RTX 5090", { driverVersion: "580.95", cudaVersion: "13.0" });
const RADEON = gpu("amd", "AMD Radeon RX 7900 XTX");

test.each([
  [machine("darwin", "arm64", [gpu("apple", "Apple M4", { isIntegrated: true })]), "metal"],
  [machine("darwin", "x64", [RADEON]), "cpu"],
  [machine("linux", "x64", [GEFORCE]), "vulkan"],
  [machine("linux", "x64", [gpu("intel", "Intel Arc", { isIntegrated: true })]), "vulkan"],
  [machine("linux", "x64"), "cpu"],
  [machine("linux", "arm64"), "cpu"],
  [machine("win32", "x64", [RADEON]), "vulkan"],
  // No Vulkan build is published for it.
  [machine("win32", "arm64", [gpu("qualcomm", "Adreno X1", { isIntegrated: true })]), "cpu"],
  [machine("linux", "riscv64"), "from-source"],
  [machine("freebsd", "x64"), "from-source"],
])("machine %# gets its default", (facts, variant) => {
  expect(chooseDefaultVariant(facts, table).variant).toBe(variant as "cpu");
});

test("what the table names first is the default, where it can be used", () => {
  const facts = machine("linux", "x64", [GEFORCE]);
  const withOrder = (...toInstall: ReleaseTable["defaults"]["toInstall"]) => ({ ...table, defaults: { ...table.defaults, toInstall } });
  expect(chooseDefaultVariant(facts, withOrder("cuda", "cpu")).variant).toBe("cuda");
  expect(chooseDefaultVariant(facts, withOrder("rocm", "cpu")).variant).toBe("cpu");
});

test("without the Vulkan loader the CPU build is the default, and the reason names the package", () => {
  const facts = machine("linux", "x64", [RADEON], false);
  expect(chooseDefaultVariant(facts, table).variant).toBe("cpu");
  const vulkan = reportVariants(facts, table).find(({ variant }) => variant === "vulkan");
  expect(vulkan).toMatchObject({ isUsable: false, isDefault: false });
  expect(vulkan?.reason).toContain("libvulkan1");
});

test("a Vulkan loader that finds only a software renderer does not count as a GPU", () => {
  const facts = { ...machine("linux", "x64", [RADEON]), vulkan: { hasLoader: true, devices: [] } };
  expect(chooseDefaultVariant(facts, table).variant).toBe("cpu");
});

test("the report says of every variant why or why not, the default one first", () => {
  const reports = reportVariants(machine("linux", "x64", [GEFORCE]), table);
  expect(reports.map(({ variant, isUsable }) => [variant, isUsable])).toEqual([
    ["vulkan", true],
    ["metal", false],
    ["cuda", true],
    ["rocm", false],
    ["cpu", true],
  ]);
  expect(reports.filter(({ isDefault }) => isDefault)).toHaveLength(1);
  expect(reports.every(({ reason }) => reason.length > 5)).toBe(true);
  expect(reports.find(({ variant }) => variant === "metal")?.release).toBeUndefined();
});

test("the build of CUDA follows what the driver runs", () => {
  const assets = (cudaVersion: string | undefined, platform: NodeJS.Platform = "linux") =>
    chooseRelease("cuda", { platform, arch: "x64", cudaVersion }, table)?.assets.map(({ name }) => name);
  const of = (toolkit: string) => [
    `llama-b11211-bin-ubuntu-cuda-${toolkit}-x64.tar.gz`,
    `cudart-llama-b11211-bin-ubuntu-cuda-${toolkit}-x64.tar.gz`,
  ];
  expect(assets("13.0")).toEqual(of("13.4"));
  expect(assets("12.4")).toEqual(of("12.8"));
  expect(assets(undefined)).toEqual(of("12.8"));
  expect(assets("14.1")).toEqual(of("13.4"));
  expect(assets("11.8")).toBeUndefined();
  expect(assets("13.4", "win32")).toEqual(["llama-b11211-bin-win-cuda-13.4-x64.zip", "cudart-llama-bin-win-cuda-13.4-x64.zip"]);
});

test("a pinned digest belongs to its tag and file", () => {
  const digest = (tag?: string) => chooseRelease("cpu", { platform: "linux", arch: "x64", tag }, table)?.assets[0]?.sha256;
  expect(digest()).toBe("0".repeat(64));
  expect(digest("b7247")).toBeUndefined();
});

test("the pattern of an asset finds it in older and newer releases", () => {
  const pattern = (variant: "cpu" | "cuda", tag: string) =>
    chooseRelease(variant, { platform: "linux", arch: "x64", tag, cudaVersion: "13.0" }, table)?.assets[0]?.pattern ?? /^$/;
  expect("llama-b7247-bin-ubuntu-x64.zip").toMatch(pattern("cpu", "b7247"));
  expect("llama-b7247-bin-ubuntu-vulkan-x64.zip").not.toMatch(pattern("cpu", "b7247"));
  expect("cudart-llama-b12000-bin-ubuntu-cuda-13.9-x64.tar.gz").not.toMatch(pattern("cuda", "b12000"));
  expect("llama-b12000-bin-ubuntu-cuda-13.9-x64.tar.gz").toMatch(pattern("cuda", "b12000"));
  expect("llama-b12000-bin-ubuntu-cuda-12.9-x64.tar.gz").not.toMatch(pattern("cuda", "b12000"));
});

test.each([
  [[gpu("amd", "AMD Radeon(TM) 8060S Graphics", { isIntegrated: true })], "gfx1151"],
  [[gpu("amd", "Radeon AI PRO R9700")], "gfx120X"],
  [[gpu("amd", "AMD Radeon RX 9060 XT")], "gfx120X"],
  [[RADEON], "gfx110X"],
  [[gpu("amd", "Radeon PRO V710")], "gfx110X"],
  // The integrated one comes first when both have a family, and does not count when it has none.
  [[RADEON, gpu("amd", "Radeon 8050S", { isIntegrated: true })], "gfx1151"],
  [[gpu("amd", "AMD Radeon Graphics", { isIntegrated: true, gfxTarget: "gfx1036" }), RADEON], "gfx110X"],
  [[gpu("amd", "AMD Radeon Graphics", { isIntegrated: true, gfxTarget: "gfx1036" })], undefined],
  [[gpu("amd", "Navi 33 [Radeon RX 7600]", { gfxTarget: "gfx1102" })], "gfx110X"],
  [[gpu("amd", "AMD Radeon VII", { gfxTarget: "gfx906" })], undefined],
  [[GEFORCE], undefined],
])("GPUs %# need their ROCm family", (gpus, family) => {
  expect(chooseRocmFamily(gpus)).toBe(family as string);
});

test("only published ROCm families are named", () => {
  expect(["gfx1151", "gfx1150", "gfx1103", "gfx1201", "gfx1030"].map(rocmFamilyOfTarget)).toEqual([
    "gfx1151",
    "gfx1150",
    "gfx110X",
    "gfx120X",
    "gfx103X",
  ]);
  expect(["gfx906", "gfx942", "gfx1010", "gfx11000", "x"].map(rocmFamilyOfTarget)).toEqual(Array(5).fill(undefined));
});

test("the last HIP device of the family is used, else the last one", () => {
  expect(chooseHipDevice(["AMD Radeon RX 7900 XTX", "AMD Radeon RX 7800 XT", "AMD Radeon Graphics"], "gfx110X")).toBe(1);
  expect(chooseHipDevice(["a", "b"], "gfx110X")).toBe(1);
  expect(chooseHipDevice([], undefined)).toBe(0);
});

test("the ROCm build is named after its family", () => {
  const needs = releaseNeeds(machine("linux", "x64", [RADEON]));
  const release = chooseRelease("rocm", needs, table);
  expect(release).toMatchObject({ repository: "lemonade-sdk/llamacpp-rocm", gfx: "gfx110X" });
  expect(release?.assets[0]?.name).toBe(`llama-${release?.tag}-ubuntu-rocm-gfx110X-x64.zip`);
});
