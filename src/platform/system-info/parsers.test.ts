import { expect, test } from "bun:test";
import { isAmdDiscrete, isIntelDiscrete, vendorOfName } from "./gpu-names.ts";
import { parseCpuInfo, parseKfdNode, parseLscpu, parseLspci, parseOsRelease, productName } from "./linux-text.ts";
import { parseCudaVersion, parseNvidiaCards, parseNvidiaProcVersion } from "./nvidia-smi.ts";
import { gpusOfProfile, parseSystemProfile } from "./probe-macos.ts";
import { gpusOfMachine, parseWindowsMachine } from "./probe-windows.ts";
import { parseVulkanSummary } from "./vulkaninfo.ts";

const GIB = 2 ** 30;

test("lspci names every device by its address", () => {
  const names = parseLspci(
    [
      '0000:00:02.0 "VGA compatible controller" "Intel Corporation" "Raptor Lake-S GT1 [UHD Graphics 770]" -r04 -p00 "ASUSTeK Computer Inc." "Device 8882"',
      '0000:03:00.0 "VGA compatible controller" "Advanced Micro Devices, Inc. [AMD/ATI]" "Navi 31 [Radeon RX 7900 XT/7900 XTX]" -rc8 "Sapphire" "x"',
      '0000:00:05.0 "Unassigned class [ff00]" "Red Hat, Inc." "Virtio 1.0 RNG" -r01 -p00 "" ""',
      "",
    ].join("\n"),
  );
  expect(names.get("0000:03:00.0")).toEqual({
    vendorName: "Advanced Micro Devices, Inc. [AMD/ATI]",
    deviceName: "Navi 31 [Radeon RX 7900 XT/7900 XTX]",
  });
  expect(names.size).toBe(3);
});

test("a product is named as on its box", () => {
  expect(productName("AMD", "Navi 31 [Radeon RX 7900 XT/7900 XTX]")).toBe("AMD Radeon RX 7900 XT/7900 XTX");
  expect(productName("NVIDIA", "AD102 [GeForce RTX 4090]")).toBe("NVIDIA GeForce RTX 4090");
  expect(productName("NVIDIA", "NVIDIA GeForce RTX 4090")).toBe("NVIDIA GeForce RTX 4090");
  expect(productName("AMD", "Phoenix1")).toBe("AMD Phoenix1");
});

test("nvidia-smi lists cards with their memory, and none for one that shares it", () => {
  const cards = parseNvidiaCards(
    "00000000:01:00.0, NVIDIA GeForce RTX 4090, 24564, 550.54.14\n0000000F:01:00.0, NVIDIA GB10, [N/A], 580.95.05\n",
  );
  expect(cards).toEqual([
    { pciAddress: "0000:01:00.0", name: "NVIDIA GeForce RTX 4090", memoryBytes: 24_564 * 2 ** 20, driverVersion: "550.54.14" },
    { pciAddress: "000f:01:00.0", name: "NVIDIA GB10", memoryBytes: undefined, driverVersion: "580.95.05" },
  ]);
  expect(parseNvidiaCards("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.")).toEqual([]);
});

test("both headings of nvidia-smi tell the version of CUDA", () => {
  const old = "| NVIDIA-SMI 550.54.14              Driver Version: 550.54.14      CUDA Version: 12.4     |";
  const current = "| NVIDIA-SMI 610.57.04              KMD Version: 610.57.04     CUDA UMD Version: 13.3     |";
  expect(parseCudaVersion(old)).toBe("12.4");
  expect(parseCudaVersion(current)).toBe("13.3");
  expect(parseCudaVersion("No devices were found")).toBeUndefined();
});

test("the kernel module of NVIDIA tells its version without nvidia-smi", () => {
  const proprietary = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024\nGCC version: 12";
  const open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (dvs-builder@U22)  Tue Sep 23";
  expect(parseNvidiaProcVersion(proprietary)).toBe("550.54.14");
  expect(parseNvidiaProcVersion(open)).toBe("580.95.05");
});

// Recorded, with the lists of extensions left out.
const VULKAN_SUMMARY = `'DISPLAY' environment variable not set... skipping surface info
==========
VULKANINFO
==========

Vulkan Instance Version: 1.3.239


Devices:
========
GPU0:
\tapiVersion         = 1.4.318
\tdriverVersion      = 25.2.8
\tvendorID           = 0x1002
\tdeviceID           = 0x744c
\tdeviceType         = PHYSICAL_DEVICE_TYPE_DISCRETE_GPU
\tdeviceName         = AMD Radeon RX 7900 XTX (RADV NAVI31)
\tdriverID           = DRIVER_ID_MESA_RADV
\tdriverName         = radv
\tdeviceUUID         = 00000000-0300-0000-0000-000000000000
GPU1:
\tapiVersion         = 1.4.318
\tvendorID           = 0x1002
\tdeviceID           = 0x744c
\tdeviceType         = PHYSICAL_DEVICE_TYPE_DISCRETE_GPU
\tdeviceName         = AMD Radeon RX 7900 XTX (RADV NAVI31)
\tdeviceUUID         = 00000000-0300-0000-0000-000000000000
GPU2:
\tapiVersion         = 1.3.230
\tdriverVersion      = 0.0.1
\tvendorID           = 0x10005
\tdeviceID           = 0x0000
\tdeviceType         = PHYSICAL_DEVICE_TYPE_CPU
\tdeviceName         = llvmpipe (LLVM 15.0.6, 256 bits)
\tdriverID           = DRIVER_ID_MESA_LLVMPIPE
\tdeviceUUID         = 6d657361-3232-2e33-2e36-000000000000
`;

test("vulkaninfo lists GPUs once and no software renderer", () => {
  expect(parseVulkanSummary(VULKAN_SUMMARY)).toEqual([
    { name: "AMD Radeon RX 7900 XTX", vendorId: 0x1002, deviceId: 0x744c, isIntegrated: false },
  ]);
  expect(parseVulkanSummary("ERROR: vkCreateInstance failed")).toEqual([]);
});

test("cpuinfo counts cores over sockets, not threads", () => {
  const thread = (socket: number, core: number): string =>
    `processor\t: 0\nmodel name\t: AMD EPYC\nphysical id\t: ${socket}\ncore id\t\t: ${core}\ncpu cores\t: 2\n`;
  const text = [thread(0, 0), thread(0, 1), thread(0, 0), thread(0, 1), thread(1, 0), thread(1, 1)].join("\n");
  expect(parseCpuInfo(text)).toEqual({ name: "AMD EPYC", cores: 4 });
  expect(parseCpuInfo("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n")).toEqual({ name: undefined, cores: undefined });
});

test("lscpu fills in what Arm processors leave out", () => {
  const neoverse = "Architecture:   aarch64\nCPU(s):         4\nModel name:     Neoverse-N1\nCore(s) per socket:  4\nSocket(s):      1\n";
  expect(parseLscpu(neoverse)).toEqual({ name: "Neoverse-N1", cores: 4 });
  expect(parseLscpu("Model name:  -\nCore(s) per cluster:  4\nSocket(s):    -\nCluster(s):   2\n")).toEqual({
    name: undefined,
    cores: undefined,
  });
});

test("os-release tells the name for people", () => {
  expect(parseOsRelease('NAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')).toBe("Debian GNU/Linux 12 (bookworm)");
  expect(parseOsRelease("PRETTY_NAME=Alpine\n")).toBe("Alpine");
});

test("the compute driver of AMD names the target of each GPU", () => {
  const node = (version: number, location: number): string =>
    `cpu_cores_count 0\nsimd_count 192\nvendor_id 4098\ngfx_target_version ${version}\nlocation_id ${location}\ndomain 0\n`;
  expect(parseKfdNode(node(110_000, 0x300))).toEqual({ pciAddress: "0000:03:00.0", gfxTarget: "gfx1100" });
  expect(parseKfdNode(node(110_501, 0xc400))?.gfxTarget).toBe("gfx1151");
  expect(parseKfdNode(node(90_402, 0x2100))?.gfxTarget).toBe("gfx942");
  expect(parseKfdNode(node(90_010, 0x2100))?.gfxTarget).toBe("gfx90a");
  expect(parseKfdNode(node(0, 0))).toBeUndefined();
});

test("names tell vendors and discrete products", () => {
  expect(
    ["AMD Radeon(TM) Graphics", "NVIDIA GB10", "Intel(R) UHD Graphics", "Apple M4", "Qualcomm(R) Adreno(TM) X1-85"].map(vendorOfName),
  ).toEqual(["amd", "nvidia", "intel", "apple", "qualcomm"]);
  expect(["Microsoft Basic Display Adapter", "VMware SVGA 3D", "Parsec Virtual Display Adapter"].map(vendorOfName)).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  const discrete = [
    "AMD Radeon RX 7900 XTX",
    "Radeon PRO W7900",
    "AMD Radeon AI PRO R9700",
    "Navi 48",
    "AMD Instinct MI300X",
    "Radeon Pro V710",
  ];
  expect(discrete.filter(isAmdDiscrete)).toEqual(discrete);
  expect(["AMD Radeon(TM) 8060S Graphics", "AMD Radeon Graphics", "Phoenix1", "Raphael"].filter(isAmdDiscrete)).toEqual([]);
  const arcs = ["DG2 [Arc A770]", "Intel(R) Arc(TM) B580 Graphics", "Arc Pro B60", "Data Center GPU Flex 170"];
  expect(arcs.filter(isIntelDiscrete)).toEqual(arcs);
  expect(
    ["Intel(R) Arc(TM) Graphics", "Raptor Lake-S GT1 [UHD Graphics 770]", "Intel(R) Arc(TM) 140V GPU (16GB)"].filter(isIntelDiscrete),
  ).toEqual([]);
});

test("macOS tells the GPU of Apple silicon, which uses all of main memory", () => {
  const profile = parseSystemProfile(`{ "SPDisplaysDataType" : [ {
      "_name" : "Apple M3 Max",
      "spdisplays_mtlgpufamilysupport" : "spdisplays_metal3",
      "spdisplays_ndrvs" : [ { "_name" : "Color LCD", "_spdisplays_pixels" : "3456 x 2234" } ],
      "spdisplays_vendor" : "sppci_vendor_Apple",
      "sppci_bus" : "spdisplays_builtin",
      "sppci_cores" : "40",
      "sppci_device_type" : "spdisplays_gpu",
      "sppci_model" : "Apple M3 Max" } ] }`);
  expect(gpusOfProfile(profile, 64 * GIB)).toEqual([
    { vendor: "apple", name: "Apple M3 Max", isIntegrated: true, sharedMemoryBytes: 64 * GIB },
  ]);
});

test("macOS tells both GPUs of an Intel Mac", () => {
  const profile = parseSystemProfile(`{ "SPDisplaysDataType" : [
    { "_name" : "Intel UHD Graphics 630", "_spdisplays_vram" : "1536 MB", "spdisplays_vendor" : "Intel", "sppci_bus" : "spdisplays_builtin", "sppci_model" : "Intel UHD Graphics 630" },
    { "_name" : "kHW_AMDRadeonPro5500MItem", "spdisplays_vendor" : "sppci_vendor_amd", "spdisplays_vram" : "8 GB", "sppci_bus" : "spdisplays_pcie_device", "sppci_model" : "AMD Radeon Pro 5500M" } ] }`);
  expect(gpusOfProfile(profile, 16 * GIB)).toEqual([
    { vendor: "intel", name: "Intel UHD Graphics 630", isIntegrated: true, sharedMemoryBytes: 1.5 * GIB },
    { vendor: "amd", name: "AMD Radeon Pro 5500M", isIntegrated: false, memoryBytes: 8 * GIB },
  ]);
  expect(parseSystemProfile("not json")).toBeUndefined();
});

const WINDOWS = {
  os: { Caption: "Microsoft Windows 11 Pro", Version: "10.0.26200" },
  cpus: [{ Name: "AMD Ryzen AI MAX+ 395 ", NumberOfCores: 16, NumberOfLogicalProcessors: 32, MaxClockSpeed: 3000 }],
  gpus: [
    { Name: "Parsec Virtual Display Adapter", AdapterCompatibility: "Parsec Cloud, Inc.", AdapterRAM: null, DriverVersion: "0.45" },
    {
      Name: "AMD Radeon(TM) 8060S Graphics",
      AdapterCompatibility: "Advanced Micro Devices, Inc.",
      AdapterRAM: 536_870_912,
      DriverVersion: "32.0.21001.9024",
    },
    {
      Name: "AMD Radeon RX 9070 XT",
      AdapterCompatibility: "Advanced Micro Devices, Inc.",
      AdapterRAM: 4_293_918_720,
      DriverVersion: "32.0.21030.2001",
    },
    {
      Name: "AMD Radeon AI PRO R9700",
      AdapterCompatibility: "Advanced Micro Devices, Inc.",
      AdapterRAM: 4_293_918_720,
      DriverVersion: "32.0.2",
    },
    { Name: "NVIDIA GeForce RTX 4070 Ti", AdapterCompatibility: "NVIDIA", AdapterRAM: 4_293_918_720, DriverVersion: "32.0.15.8142" },
  ],
  memory: [
    { Name: "AMD Radeon RX 9070 XT", Bytes: 17_095_983_104 },
    { Name: "AMD Radeon(TM) 8060S Graphics", Bytes: 536_870_912 },
  ],
  npus: [{ DeviceName: "NPU Compute Accelerator Device", DriverVersion: "32.0.203.304" }],
};

test("Windows tells its GPUs, with memory from where the driver registers itself", () => {
  const cards = parseNvidiaCards("00000000:01:00.0, NVIDIA GeForce RTX 4070 Ti, 12282, 581.42\n");
  const gpus = gpusOfMachine(parseWindowsMachine(JSON.stringify(WINDOWS)), cards, "13.0");
  expect(gpus.map(({ name, isIntegrated, memoryBytes }) => [name, isIntegrated, memoryBytes])).toEqual([
    ["AMD Radeon RX 9070 XT", false, 17_095_983_104],
    // A saturated value is not a size.
    ["AMD Radeon AI PRO R9700", false, undefined],
    ["NVIDIA GeForce RTX 4070 Ti", false, 12_282 * 2 ** 20],
    ["AMD Radeon(TM) 8060S Graphics", true, 536_870_912],
  ]);
  expect(gpus[2]).toMatchObject({ driverVersion: "581.42", cudaVersion: "13.0" });
});

test("a PowerShell that answers nothing or something else is no machine", () => {
  expect(parseWindowsMachine("")).toBeUndefined();
  expect(parseWindowsMachine("The term is not recognized")).toBeUndefined();
  expect(parseWindowsMachine("\uFEFF{}")).toEqual({});
  expect(gpusOfMachine(undefined, [])).toEqual([]);
});
