import type { GpuVendor } from "./system-facts.ts";

/** PCI vendor numbers of processors that models run on; other display adapters (BMCs, virtual ones) only draw pictures. */
const VENDORS: Readonly<Record<number, GpuVendor>> = {
  0x1002: "amd",
  0x1022: "amd",
  0x10de: "nvidia",
  0x8086: "intel",
  0x106b: "apple",
  0x5143: "qualcomm",
};

export const vendorOfId = (vendorId: number): GpuVendor | undefined => VENDORS[vendorId];

/** The vendor that a name or a manufacturer's name gives away. */
export function vendorOfName(text: string): GpuVendor | undefined {
  if (/\b(amd|ati|radeon|advanced micro devices)\b/i.test(text)) return "amd";
  if (/\b(nvidia|geforce|quadro|tesla)\b/i.test(text)) return "nvidia";
  if (/\bintel\b/i.test(text)) return "intel";
  if (/\bapple\b/i.test(text)) return "apple";
  return /\b(qualcomm|adreno)\b/i.test(text) ? "qualcomm" : undefined;
}

/** Marks of discrete Radeon products and of the chips in them, lower case. */
const DISCRETE_MARKS = ["rx ", "xt", "pro w", "pro v", "radeon pro", "firepro", "fury", "radeon ai pro", "instinct", "navi ", "radeon vii"];

export function isAmdDiscrete(name: string): boolean {
  const lower = name.toLowerCase();
  return DISCRETE_MARKS.some((mark) => lower.includes(mark));
}

/** Intel's discrete products have a letter and three digits: Arc A770, Arc Pro B60, Data Center GPU Flex 170, Max 1550. */
export const isIntelDiscrete = (name: string): boolean =>
  /\barc\b.*\b[abc]\d{2,3}\b|\b(flex|max) \d{3,4}\b|\bdg[12]\b/i.test(name.replaceAll(/\((tm|r)\)/gi, ""));
