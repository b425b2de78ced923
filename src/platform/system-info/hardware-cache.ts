import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import * as v from "valibot";
import { writeFileAtomic } from "../write-file-atomic.ts";
import type { SystemFacts } from "./system-facts.ts";

/** Raise it when `SystemFacts` changes: facts in another form are found out anew. */
const FORMAT_VERSION = 1;

const text = v.optional(v.string());
const number = v.optional(v.number());
const Facts = v.object({
  os: v.object({ platform: v.string(), arch: v.string(), version: v.string(), isWsl: v.boolean() }),
  cpu: v.object({ name: v.string(), cores: v.number(), threads: v.number(), maxClockMhz: number }),
  memoryBytes: v.number(),
  gpus: v.array(
    v.object({
      vendor: v.picklist(["amd", "nvidia", "intel", "apple", "qualcomm", "other"]),
      name: v.string(),
      isIntegrated: v.boolean(),
      memoryBytes: number,
      sharedMemoryBytes: number,
      driverVersion: text,
      pciAddress: text,
      gfxTarget: text,
      cudaVersion: text,
    }),
  ),
  npu: v.optional(v.object({ name: v.string(), driverVersion: text, powerMode: text })),
  vulkan: v.object({ hasLoader: v.boolean(), devices: v.optional(v.array(v.string())) }),
  computerName: text,
  biosVersion: text,
  powerPlan: text,
  problems: v.array(v.string()),
});
const CacheFile = v.object({ version: v.literal(FORMAT_VERSION), system: v.string(), probedAtMs: v.number(), facts: Facts });

export interface CachedFacts {
  readonly facts: SystemFacts;
  /** What the system was when the facts were found: another boot or kernel may have other hardware. */
  readonly system: string;
  readonly probedAtMs: number;
}

/** Facts found earlier; `undefined` when there are none in our form. */
export async function readHardwareCache(path: string): Promise<CachedFacts | undefined> {
  try {
    const { facts, system, probedAtMs } = v.parse(CacheFile, JSON.parse(await readFile(path, "utf8")));
    return { facts: { ...facts, os: { ...facts.os, platform: facts.os.platform as NodeJS.Platform }, npu: facts.npu }, system, probedAtMs };
  } catch {
    return undefined;
  }
}

export async function writeHardwareCache(path: string, { facts, system, probedAtMs }: CachedFacts): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomic(path, `${JSON.stringify({ version: FORMAT_VERSION, system, probedAtMs, facts }, null, 2)}\n`);
}
