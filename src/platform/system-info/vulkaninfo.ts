export interface VulkanDevice {
  readonly name: string;
  readonly vendorId: number;
  readonly deviceId: number;
  readonly isIntegrated: boolean;
}

/** Devices in the output of `vulkaninfo --summary`, without renderers that compute on the CPU; one seen by two drivers counts once. */
export function parseVulkanSummary(text: string): readonly VulkanDevice[] {
  const devices = new Map<string, VulkanDevice>();
  for (const block of text.split(/^GPU\d+:$/m).slice(1)) {
    const field = (name: string): string => new RegExp(`^\\s*${name}\\s*=\\s*(.*)$`, "m").exec(block)?.[1]?.trim() ?? "";
    const type = field("deviceType");
    const name = field("deviceName");
    if (name === "" || type.endsWith("_CPU")) continue;
    const device: VulkanDevice = {
      // Mesa appends the driver and the chip: `AMD Radeon RX 7900 XTX (RADV NAVI31)`.
      name: name.replace(/ \((?:RADV|NVK|ANV|TURNIP|V3D|PANVK)[^)]*\)$/i, ""),
      vendorId: Number(field("vendorID")),
      deviceId: Number(field("deviceID")),
      isIntegrated: type.endsWith("INTEGRATED_GPU"),
    };
    devices.set(field("deviceUUID") || `${devices.size}`, device);
  }
  return [...devices.values()];
}
