import type { GpuFacts } from "../../../platform/system-info/index.ts";

/** Marks in the names of Radeon products, lower case, and the family of builds that runs on them. */
const FAMILIES: readonly (readonly [family: string, marks: readonly string[]])[] = [
  ["gfx1151", ["8050s", "8060s"]],
  ["gfx120X", ["r9700", "9060", "9070"]],
  ["gfx110X", ["7700", "7800", "7900", "v710"]],
];

/** The family of ROCm builds for a product name; `undefined` for products that none is published for. */
export function rocmFamilyOfName(name: string): string | undefined {
  const lower = name.toLowerCase();
  if (!lower.includes("radeon")) return undefined;
  return FAMILIES.find(([, marks]) => marks.some((mark) => lower.includes(mark)))?.[0];
}

/** The same for the compiler's name of the hardware, such as `gfx1102`, which the Linux driver tells. */
export function rocmFamilyOfTarget(target: string): string | undefined {
  if (target === "gfx1150" || target === "gfx1151") return target;
  return /^gfx(103|110|120)\d$/.exec(target)?.[0].replace(/\d$/, "X");
}

/**
 * The family of builds for this machine. By name, integrated GPUs come first: the ones with a family are the large ones. A GPU whose
 * name says nothing is asked for its target, and then only a discrete one: the small integrated ones beside it are of no use.
 */
export function chooseRocmFamily(gpus: readonly GpuFacts[]): string | undefined {
  const amd = gpus.filter(({ vendor }) => vendor === "amd").toSorted((a, b) => Number(b.isIntegrated) - Number(a.isIntegrated));
  for (const { name } of amd) {
    const family = rocmFamilyOfName(name);
    if (family !== undefined) return family;
  }
  for (const { gfxTarget, isIntegrated } of amd) {
    const family = gfxTarget === undefined || isIntegrated ? undefined : rocmFamilyOfTarget(gfxTarget);
    if (family !== undefined) return family;
  }
  return undefined;
}

/** Which of the devices that a ROCm build lists to use: the last one of the family, for integrated ones come first; else the last. */
export function chooseHipDevice(deviceNames: readonly string[], family: string | undefined): number {
  const last = deviceNames.findLastIndex((name) => family !== undefined && rocmFamilyOfName(name) === family);
  return last >= 0 ? last : Math.max(0, deviceNames.length - 1);
}
