import { cpus, totalmem } from "node:os";
import * as v from "valibot";
import { vendorOfName } from "./gpu-names.ts";
import type { ProbeOptions } from "./probe-linux.ts";
import { runTool } from "./run-tool.ts";
import type { GpuFacts, SystemFacts } from "./system-facts.ts";

const text = v.optional(v.string());
const Profile = v.object({
  SPDisplaysDataType: v.optional(
    v.array(
      v.object({
        _name: text,
        sppci_model: text,
        sppci_bus: text,
        spdisplays_vendor: text,
        // Without underscore on cards, with one on processors that borrow main memory; which of them is there changed over the years.
        spdisplays_vram: text,
        spdisplays_vram_shared: text,
        _spdisplays_vram: text,
      }),
    ),
  ),
  SPHardwareDataType: v.optional(v.array(v.object({ machine_name: text, machine_model: text, boot_rom_version: text }))),
});
export type SystemProfile = v.InferOutput<typeof Profile>;

/** Output of `system_profiler -json`; `undefined` when it is something else. */
export function parseSystemProfile(json: string): SystemProfile | undefined {
  try {
    return v.parse(Profile, JSON.parse(json));
  } catch {
    return undefined;
  }
}

/** GPUs in a profile. Those of Apple silicon use all of main memory. */
export function gpusOfProfile(profile: SystemProfile | undefined, memoryBytes: number): readonly GpuFacts[] {
  return (profile?.SPDisplaysDataType ?? []).map((gpu) => {
    const name = gpu.sppci_model ?? gpu._name ?? "unknown";
    const vendor = vendorOfName(`${gpu.spdisplays_vendor ?? ""} ${name}`) ?? "other";
    if (vendor === "apple") return { vendor, name, isIntegrated: true, sharedMemoryBytes: memoryBytes };
    const isIntegrated = gpu.sppci_bus === "spdisplays_builtin";
    const size = parseSize(gpu.spdisplays_vram ?? gpu.spdisplays_vram_shared ?? gpu._spdisplays_vram);
    return { vendor, name, isIntegrated, ...(isIntegrated ? { sharedMemoryBytes: size } : { memoryBytes: size }) };
  });
}

/** `8 GB`, `1536 MB`. */
function parseSize(size: string | undefined): number | undefined {
  const match = /^(\d+) ?(MB|GB)$/.exec(size ?? "");
  return match === null ? undefined : Number(match[1]) * (match[2] === "GB" ? 2 ** 30 : 2 ** 20);
}

export async function probeMacos(options: ProbeOptions): Promise<SystemFacts> {
  const sysctl = async (name: string): Promise<string | undefined> => (await runTool("sysctl", ["-n", name], options))?.trim();
  const [profileText, version, cpuName, cores] = await Promise.all([
    runTool("system_profiler", ["-json", "SPDisplaysDataType", "SPHardwareDataType"], { ...options, timeoutMs: 15_000 }),
    runTool("sw_vers", ["-productVersion"], options),
    sysctl("machdep.cpu.brand_string"),
    sysctl("hw.physicalcpu"),
  ]);
  const profile = parseSystemProfile(profileText ?? "");
  const [hardware] = profile?.SPHardwareDataType ?? [];
  const memoryBytes = totalmem();
  const gpus = gpusOfProfile(profile, memoryBytes);
  const computer = [hardware?.machine_name, hardware?.machine_model].filter(Boolean).join(" ");
  return {
    os: { platform: "darwin", arch: process.arch, version: `macOS ${version?.trim() ?? "unknown"}`, isWsl: false },
    cpu: { name: cpuName ?? cpus()[0]?.model ?? "unknown", cores: Number(cores) || cpus().length, threads: cpus().length },
    memoryBytes,
    gpus: gpus.toSorted((a, b) => Number(a.isIntegrated) - Number(b.isIntegrated)),
    npu: undefined,
    // There is none of Apple's; the published builds use Metal.
    vulkan: { hasLoader: false },
    computerName: computer || undefined,
    biosVersion: hardware?.boot_rom_version,
    problems: profile === undefined ? ["system_profiler does not answer, so GPUs are unknown"] : [],
  };
}
