export interface NvidiaCard {
  /** As the PCI bus names it: `0000:01:00.0`. */
  readonly pciAddress: string;
  readonly name: string;
  readonly memoryBytes: number | undefined;
  readonly driverVersion: string | undefined;
}

export const NVIDIA_QUERY = ["--query-gpu=pci.bus_id,name,memory.total,driver_version", "--format=csv,noheader,nounits"] as const;

/** Rows of `nvidia-smi` with {@link NVIDIA_QUERY}; memory in MiB, or `[N/A]` where GPU and CPU share it. */
export function parseNvidiaCards(csv: string): readonly NvidiaCard[] {
  return csv.split("\n").flatMap((line) => {
    const [address, name, memoryMib, driver] = line.split(",").map((field) => field.trim());
    if (address === undefined || name === undefined || !/^[0-9a-f]{4,8}:/i.test(address)) return [];
    const memory = Number(memoryMib);
    return [
      {
        pciAddress: shortAddress(address),
        name,
        memoryBytes: Number.isFinite(memory) && memoryMib !== "" ? memory * 2 ** 20 : undefined,
        driverVersion: driver === undefined || driver === "" || driver.startsWith("[") ? undefined : driver,
      },
    ];
  });
}

/** nvidia-smi writes the domain with eight digits, the kernel with four. */
const shortAddress = (address: string): string => address.toLowerCase().replace(/^0{4}(?=[0-9a-f]{4}:)/, "");

/** The newest CUDA that the driver runs, from the table that `nvidia-smi` prints without arguments. */
export function parseCudaVersion(table: string): string | undefined {
  return /CUDA(?: UMD)? Version\s*:\s*(\d+\.\d+)/.exec(table)?.[1];
}

/** The first line of `/proc/driver/nvidia/version`, which is there even when nvidia-smi is not. */
export function parseNvidiaProcVersion(text: string): string | undefined {
  return /NVRM version:.*?\s(\d+\.\d+(?:\.\d+)?)\s/.exec(text)?.[1];
}
