import { readdir, readFile, readlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { vendorOfId } from "./gpu-names.ts";
import type { GpuVendor } from "./system-facts.ts";

export interface PciGpu {
  readonly address: string;
  readonly vendor: GpuVendor;
  readonly vendorId: number;
  readonly deviceId: number;
  /** Kernel module that drives it. */
  readonly driver: string | undefined;
  readonly memoryBytes: number | undefined;
  readonly sharedMemoryBytes: number | undefined;
}

const DISPLAY_CLASS = 0x03;
/** What accelerators without a display output call themselves. */
const PROCESSING_ACCELERATOR_CLASS = 0x12;

/** Graphics processors on the PCI bus, as sysfs below `root` lists them; in a container the host's, usable or not. */
export async function listPciGpus(root: string): Promise<readonly PciGpu[]> {
  const folder = join(root, "sys/bus/pci/devices");
  const addresses = (await readdir(folder).catch(() => [])).toSorted((a, b) => (a < b ? -1 : 1));
  const gpus = await Promise.all(addresses.map((address) => readPciGpu(join(folder, address), address)));
  return gpus.filter((gpu) => gpu !== undefined);
}

async function readPciGpu(folder: string, address: string): Promise<PciGpu | undefined> {
  const [pciClass, vendorId, deviceId] = await Promise.all(["class", "vendor", "device"].map((name) => readNumber(join(folder, name))));
  const vendor = vendorOfId(vendorId ?? 0);
  const baseClass = (pciClass ?? 0) >>> 16;
  const isGpu = baseClass === DISPLAY_CLASS || (baseClass === PROCESSING_ACCELERATOR_CLASS && vendor === "amd");
  if (vendor === undefined || vendorId === undefined || deviceId === undefined || !isGpu) return undefined;
  const [driver, amdMemory, xeMemory, sharedMemoryBytes] = await Promise.all([
    readlink(join(folder, "driver")).then(
      (path) => basename(path),
      () => undefined,
    ),
    readNumber(join(folder, "mem_info_vram_total")),
    // Intel's newer driver, one file per tile; consumer products have one tile.
    readNumber(join(folder, "tile0/physical_vram_size_bytes")),
    readNumber(join(folder, "mem_info_gtt_total")),
  ]);
  return { address, vendor, vendorId, deviceId, driver, memoryBytes: amdMemory ?? xeMemory, sharedMemoryBytes };
}

/** A number in a file of sysfs, decimal or with `0x`. */
async function readNumber(path: string): Promise<number | undefined> {
  const text = (await readFile(path, "utf8").catch(() => "")).trim();
  const value = Number(text);
  return text === "" || !Number.isFinite(value) ? undefined : value;
}
