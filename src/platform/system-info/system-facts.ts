/** What the machine consists of, as far as it tells; nothing here changes without a restart, a driver update or a screwdriver. */
export interface SystemFacts {
  readonly os: OperatingSystem;
  readonly cpu: CpuFacts;
  /** Main memory that the system manages, in bytes. */
  readonly memoryBytes: number;
  /** Every graphics processor, discrete ones first. */
  readonly gpus: readonly GpuFacts[];
  readonly npu: NpuFacts | undefined;
  readonly vulkan: VulkanFacts;
  /** Who built the computer and which, and its firmware, where the system tells. */
  readonly computerName?: string | undefined;
  readonly biosVersion?: string | undefined;
  readonly powerPlan?: string | undefined;
  /** What could not be found out and why, one sentence each. */
  readonly problems: readonly string[];
}

export interface OperatingSystem {
  readonly platform: NodeJS.Platform;
  readonly arch: string;
  /** For people: `Linux 6.1.0 (Debian GNU/Linux 12)`. */
  readonly version: string;
  /** Linux inside Windows: its GPUs are seen through a translation layer, not on the PCI bus. */
  readonly isWsl: boolean;
}

export interface CpuFacts {
  readonly name: string;
  /** Physical cores. */
  readonly cores: number;
  readonly threads: number;
  readonly maxClockMhz?: number | undefined;
}

export type GpuVendor = "amd" | "nvidia" | "intel" | "apple" | "qualcomm" | "other";

export interface GpuFacts {
  readonly vendor: GpuVendor;
  readonly name: string;
  readonly isIntegrated: boolean;
  /** Memory of its own, in bytes: on an integrated one the part of main memory that the firmware set aside. */
  readonly memoryBytes?: number | undefined;
  /** Main memory that it may use beside that, in bytes. */
  readonly sharedMemoryBytes?: number | undefined;
  readonly driverVersion?: string | undefined;
  /** Place on the bus, such as `0000:03:00.0`: tells apart two cards of one name. */
  readonly pciAddress?: string | undefined;
  /** AMD: what the code is compiled for, such as `gfx1100`. */
  readonly gfxTarget?: string | undefined;
  /** NVIDIA: newest CUDA that the driver runs, such as `13.0`. */
  readonly cudaVersion?: string | undefined;
}

export interface NpuFacts {
  readonly name: string;
  readonly driverVersion?: string | undefined;
  readonly powerMode?: string | undefined;
}

export interface VulkanFacts {
  /** The loader library is there, so a Vulkan build starts. */
  readonly hasLoader: boolean;
  /** Names of its devices; absent when no tool told. A software renderer is not counted. */
  readonly devices?: readonly string[] | undefined;
}
