export type { CpuFacts, GpuFacts, GpuVendor, NpuFacts, OperatingSystem, SystemFacts, VulkanFacts } from "./system-facts.ts";
