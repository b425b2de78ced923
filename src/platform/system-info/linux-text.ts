/** Formats of Linux that are read whole: pure functions over the text of a file or a tool. */

export interface PciName {
  readonly vendorName: string;
  readonly deviceName: string;
}

/** Output of `lspci -D -mm`: names by address. Fields are in quotes. */
export function parseLspci(text: string): ReadonlyMap<string, PciName> {
  const names = new Map<string, PciName>();
  for (const line of text.split("\n")) {
    const match = /^(\S+) "[^"]*" "([^"]*)" "([^"]*)"/.exec(line);
    if (match?.[1] !== undefined) names.set(match[1], { vendorName: match[2] ?? "", deviceName: match[3] ?? "" });
  }
  return names;
}

/** The product in brackets when there is one, `Navi 31 [Radeon RX 7900 XT/7900 XTX]`, with the brand before it. */
export function productName(brand: string, deviceName: string): string {
  const product = /\[([^\]]+)\]/.exec(deviceName)?.[1] ?? deviceName;
  return product.toLowerCase().includes(brand.toLowerCase()) ? product : `${brand} ${product}`;
}

export interface CpuText {
  readonly name: string | undefined;
  readonly cores: number | undefined;
}

/** `/proc/cpuinfo`: one block per thread. Arm processors say neither name nor core. */
export function parseCpuInfo(text: string): CpuText {
  const cores = new Set<string>();
  let physicalId = "0";
  for (const line of text.split("\n")) {
    const [key = "", value = ""] = line.split(":").map((part) => part.trim());
    if (key === "physical id") physicalId = value;
    if (key === "core id") cores.add(`${physicalId}:${value}`);
  }
  return { name: /^model name\s*:\s*(.+)$/m.exec(text)?.[1]?.trim(), cores: cores.size || undefined };
}

/** `lscpu`, for what `/proc/cpuinfo` leaves out. */
export function parseLscpu(text: string): CpuText {
  const field = (name: string): string | undefined => new RegExp(`^${name}:\\s*(.+)$`, "m").exec(text)?.[1]?.trim();
  const cores = Number(field("Core\\(s\\) per (?:socket|cluster)")) * Number(field("Socket\\(s\\)") ?? field("Cluster\\(s\\)"));
  const name = field("Model name");
  return { name: name === "-" ? undefined : name, cores: Number.isInteger(cores) && cores > 0 ? cores : undefined };
}

/** `/etc/os-release`: the name for people. */
export const parseOsRelease = (text: string): string | undefined => /^PRETTY_NAME="?([^"\n]+)"?$/m.exec(text)?.[1];

export interface KfdNode {
  readonly pciAddress: string;
  readonly gfxTarget: string;
}

/**
 * `properties` of a node in `/sys/class/kfd/kfd/topology/nodes`: AMD's compute driver names the hardware that code is compiled for.
 * 110000 is gfx1100, 90010 is gfx90a: three numbers of two decimal digits, the last two written in hexadecimal. CPUs have 0.
 */
export function parseKfdNode(text: string): KfdNode | undefined {
  const field = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1] ?? NaN);
  const version = field("gfx_target_version");
  const location = field("location_id");
  if (!(version > 0) || Number.isNaN(location)) return undefined;
  const [major, minor, step] = [Math.trunc(version / 10_000), Math.trunc(version / 100) % 100, version % 100];
  const hex = (value: number, width: number): string => value.toString(16).padStart(width, "0");
  const domain = field("domain") || 0;
  const pciAddress = `${hex(domain, 4)}:${hex(location >> 8, 2)}:${hex((location >> 3) & 31, 2)}.${location & 7}`;
  return { pciAddress, gfxTarget: `gfx${major}${minor.toString(16)}${step.toString(16)}` };
}
