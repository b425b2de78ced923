import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";
import { basename, join } from "node:path";
import { isAmdDiscrete, isIntelDiscrete, vendorOfId } from "./gpu-names.ts";
import { listPciGpus, type PciGpu } from "./linux-pci.ts";
import { parseCpuInfo, parseKfdNode, parseLscpu, parseLspci, parseOsRelease, productName, type PciName } from "./linux-text.ts";
import { NVIDIA_QUERY, parseCudaVersion, parseNvidiaCards, parseNvidiaProcVersion, type NvidiaCard } from "./nvidia-smi.ts";
import { runTool, type ToolOptions } from "./run-tool.ts";
import type { CpuFacts, GpuFacts, NpuFacts, OperatingSystem, SystemFacts, VulkanFacts } from "./system-facts.ts";
import { parseVulkanSummary, type VulkanDevice } from "./vulkaninfo.ts";

export interface ProbeOptions extends ToolOptions {
  /** Our environment; tools are looked up on its `PATH`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where the file system begins, for tests. Defaults to `/`. */
  readonly root?: string | undefined;
}

/** Asks the kernel's files and, where they are installed, the tools of the GPU vendors; all at once. */
export async function probeLinux(options: ProbeOptions): Promise<SystemFacts> {
  const { root = "/" } = options;
  const read = (path: string): Promise<string | undefined> => readFile(join(root, path), "utf8").catch(() => undefined);
  const problems: string[] = [];
  const [os, cpu, gpus, npu, dmi] = await Promise.all([
    readOs(read),
    readCpu(read, options),
    readGpus(read, options, problems),
    readNpu(root, read),
    Promise.all(["sys_vendor", "product_name", "bios_version"].map(async (name) => (await read(`sys/class/dmi/id/${name}`))?.trim())),
  ]);
  const [maker, product, biosVersion] = dmi;
  // What board makers leave in the form when they sell parts.
  const names = [maker, product].filter(
    (text) => text !== undefined && text !== "" && !/o\.e\.m\.|system (product|manufacturer)|^default/i.test(text),
  );
  return { os, cpu, memoryBytes: totalmem(), ...gpus, npu, computerName: names.join(" ") || undefined, biosVersion, problems };
}

type Read = (path: string) => Promise<string | undefined>;

async function readOs(read: Read): Promise<OperatingSystem> {
  const [osRelease, version] = await Promise.all([read("etc/os-release"), read("proc/version")]);
  const name = parseOsRelease(osRelease ?? "");
  return {
    platform: "linux",
    arch: process.arch,
    version: `Linux ${release()}${name === undefined ? "" : ` (${name})`}`,
    isWsl: /microsoft/i.test(version ?? ""),
  };
}

async function readCpu(read: Read, options: ProbeOptions): Promise<CpuFacts> {
  const info = parseCpuInfo((await read("proc/cpuinfo")) ?? "");
  const isComplete = info.name !== undefined && info.cores !== undefined;
  const more = isComplete ? info : parseLscpu((await runTool("lscpu", [], { ...options, env: { ...options.env, LC_ALL: "C" } })) ?? "");
  const maxClockKhz = Number(await read("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"));
  const threads = cpus().length;
  return {
    name: info.name ?? more.name ?? "unknown",
    cores: info.cores ?? more.cores ?? threads,
    threads,
    maxClockMhz: maxClockKhz > 0 ? Math.round(maxClockKhz / 1000) : undefined,
  };
}

async function readGpus(read: Read, options: ProbeOptions, problems: string[]): Promise<Pick<SystemFacts, "gpus" | "vulkan">> {
  const { root = "/" } = options;
  const [pci, lspci, smiCards, smiTable, nvidiaVersion, vulkanText, targets, hasLoader] = await Promise.all([
    listPciGpus(root),
    runTool("lspci", ["-D", "-mm"], options),
    runTool("nvidia-smi", NVIDIA_QUERY, options),
    runTool("nvidia-smi", [], options),
    read("proc/driver/nvidia/version"),
    runTool("vulkaninfo", ["--summary"], options),
    readGfxTargets(root),
    hasVulkanLoader(root),
  ]);
  const names = parseLspci(lspci ?? "");
  const cards = parseNvidiaCards(smiCards ?? "");
  const vulkanDevices = vulkanText === undefined ? undefined : parseVulkanSummary(vulkanText);
  const driverVersions = await readDriverVersions(pci, read);
  if (lspci === undefined && pci.length > 0) problems.push("lspci is missing, so GPUs are named by number: install the package pciutils");
  if (cards.length === 0 && pci.some(({ vendor }) => vendor === "nvidia"))
    problems.push("nvidia-smi does not answer: is the NVIDIA driver installed?");
  const cudaVersion = parseCudaVersion(smiTable ?? "");
  const describe = (gpu: PciGpu): GpuFacts => {
    const card = cards.find(({ pciAddress }) => pciAddress === gpu.address);
    const facts = describePciGpu(gpu, names.get(gpu.address), vulkanDevices ?? []);
    const gfxTarget = targets.get(gpu.address);
    if (card !== undefined) return nvidiaFacts(card, cudaVersion);
    const driverVersion = gpu.vendor === "nvidia" ? parseNvidiaProcVersion(nvidiaVersion ?? "") : driverVersions.get(gpu.driver ?? "");
    return { ...facts, gfxTarget, driverVersion };
  };
  const onBus = pci.map(describe);
  const seen = new Set(pci.map(({ address }) => address));
  // Inside WSL the cards are not on the bus, and boards with a processor of their own have GPUs without one.
  const offBus = cards.filter(({ pciAddress }) => !seen.has(pciAddress)).map((card) => nvidiaFacts(card, cudaVersion));
  const soc = onBus.length + offBus.length > 0 ? [] : (vulkanDevices ?? []).map(describeVulkanDevice);
  const gpus = [...onBus, ...offBus, ...soc].toSorted((a, b) => Number(a.isIntegrated) - Number(b.isIntegrated));
  return { gpus, vulkan: await vulkanFacts(hasLoader, vulkanDevices, root) };
}

function describePciGpu(gpu: PciGpu, name: PciName | undefined, vulkanDevices: readonly VulkanDevice[]): GpuFacts {
  const brand = { amd: "AMD", nvidia: "NVIDIA", intel: "Intel", apple: "Apple", qualcomm: "Qualcomm", other: "" }[gpu.vendor];
  const listed = name?.deviceName ?? `GPU ${gpu.deviceId.toString(16).padStart(4, "0")}`;
  // The driver knows which of the products on the chip this is.
  const known = vulkanDevices.find(({ vendorId, deviceId }) => vendorId === gpu.vendorId && deviceId === gpu.deviceId);
  const isIntegrated = known?.isIntegrated ?? isIntegratedByName(gpu, listed);
  const { address, vendor, memoryBytes, sharedMemoryBytes } = gpu;
  return { vendor, name: known?.name ?? productName(brand, listed), isIntegrated, memoryBytes, sharedMemoryBytes, pciAddress: address };
}

function isIntegratedByName({ vendor, address }: PciGpu, name: string): boolean {
  if (vendor === "amd") return !isAmdDiscrete(name);
  // Intel's own graphics have had this place for twenty years.
  return vendor === "intel" && (address === "0000:00:02.0" || !isIntelDiscrete(name));
}

const nvidiaFacts = (card: NvidiaCard, cudaVersion: string | undefined): GpuFacts => ({
  vendor: "nvidia",
  isIntegrated: false,
  cudaVersion,
  ...card,
  name: productName("NVIDIA", card.name),
});

const describeVulkanDevice = ({ name, vendorId, isIntegrated }: VulkanDevice): GpuFacts => ({
  vendor: vendorOfId(vendorId) ?? "other",
  name,
  isIntegrated,
});

/** Modules from outside the kernel have a version of their own; the others are as old as the kernel. */
async function readDriverVersions(pci: readonly PciGpu[], read: Read): Promise<ReadonlyMap<string, string>> {
  const drivers = [...new Set(pci.map(({ driver }) => driver))].filter((driver) => driver !== undefined);
  const versions = drivers.map(
    async (driver) => [driver, (await read(`sys/module/${driver}/version`))?.trim() ?? `Linux ${release()}`] as const,
  );
  return new Map(await Promise.all(versions));
}

async function readGfxTargets(root: string): Promise<ReadonlyMap<string, string>> {
  const folder = join(root, "sys/class/kfd/kfd/topology/nodes");
  const nodes = await readdir(folder).catch(() => []);
  const texts = await Promise.all(nodes.map((node) => readFile(join(folder, node, "properties"), "utf8").catch(() => "")));
  return new Map(texts.map(parseKfdNode).flatMap((node) => (node === undefined ? [] : [[node.pciAddress, node.gfxTarget] as const])));
}

const LIBRARY_FOLDERS = [
  "usr/lib64",
  "usr/lib",
  "usr/local/lib",
  "lib64",
  "lib",
  "run/opengl-driver/lib",
  "usr/lib/x86_64-linux-gnu",
  "usr/lib/aarch64-linux-gnu",
];

async function hasVulkanLoader(root: string): Promise<boolean> {
  const found = await Promise.all(LIBRARY_FOLDERS.map((folder) => isThere(join(root, folder, "libvulkan.so.1"))));
  return found.includes(true);
}

async function vulkanFacts(hasLoader: boolean, devices: readonly VulkanDevice[] | undefined, root: string): Promise<VulkanFacts> {
  // A loader that the tool found in a place that we do not know.
  if (devices !== undefined) return { hasLoader: hasLoader || devices.length > 0, devices: devices.map(({ name }) => name) };
  const doors = await Promise.all(["dev/dri", "dev/nvidiactl", "dev/dxg"].map((path) => isThere(join(root, path))));
  // In a container sysfs shows the host's GPUs, but without a device file none of them can be opened.
  return doors.includes(true) ? { hasLoader } : { hasLoader, devices: [] };
}

/** The NPUs that the kernel drives are in the class of accelerators. */
async function readNpu(root: string, read: Read): Promise<NpuFacts | undefined> {
  const folder = join(root, "sys/class/accel");
  for (const name of await readdir(folder).catch(() => [])) {
    const driver = basename(await readlink(join(folder, name, "device/driver")).catch(() => ""));
    const label = { amdxdna: "AMD NPU", intel_vpu: "Intel NPU" }[driver];
    if (label !== undefined)
      return { name: label, driverVersion: (await read(`sys/module/${driver}/version`))?.trim() ?? `Linux ${release()}` };
  }
  return undefined;
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
