export type { CpuFacts, GpuFacts, GpuVendor, NpuFacts, OperatingSystem, SystemFacts, VulkanFacts } from "./system-facts.ts";
export { SystemInfo, type SystemInfoOptions } from "./system-info.ts";
