import { stat } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { isAmdDiscrete, isIntelDiscrete, vendorOfName } from "./gpu-names.ts";
import { NVIDIA_QUERY, parseCudaVersion, parseNvidiaCards, type NvidiaCard } from "./nvidia-smi.ts";
import type { ProbeOptions } from "./probe-linux.ts";
import { runTool } from "./run-tool.ts";
import type { GpuFacts, SystemFacts } from "./system-facts.ts";

/**
 * One PowerShell for everything, for its start costs most. AdapterRAM has 32 bits and saturates at 4 GB, so memory comes from where the
 * driver registers itself, matched by name: the two lists differ in order.
 */
const QUERY = String.raw`
$ErrorActionPreference = 'SilentlyContinue'
[Console]::OutputEncoding = [Text.Encoding]::UTF8
$class = 'HKLM:\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}\0*'
$memory = @(Get-ItemProperty $class | Where-Object { $_.'HardwareInformation.qwMemorySize' } |
  ForEach-Object { @{ Name = $_.DriverDesc; Bytes = [uint64]$_.'HardwareInformation.qwMemorySize' } })
@{
  os = Get-CimInstance Win32_OperatingSystem | Select-Object Caption, Version
  cpus = @(Get-CimInstance Win32_Processor | Select-Object Name, NumberOfCores, NumberOfLogicalProcessors, MaxClockSpeed)
  gpus = @(Get-CimInstance Win32_VideoController | Select-Object Name, AdapterCompatibility, AdapterRAM, DriverVersion)
  memory = $memory
  computer = Get-CimInstance Win32_ComputerSystem | Select-Object Manufacturer, Model
  bios = Get-CimInstance Win32_BIOS | Select-Object SMBIOSBIOSVersion
  power = Get-CimInstance -Namespace root\cimv2\power Win32_PowerPlan -Filter 'IsActive=TRUE' | Select-Object ElementName
  npus = @(Get-CimInstance Win32_PnPSignedDriver -Filter "DeviceName LIKE '%NPU Compute Accelerator Device%'" | Select-Object DeviceName, DriverVersion)
} | ConvertTo-Json -Depth 4 -Compress
`;

const text = v.nullish(v.string());
const number = v.nullish(v.number());
const Machine = v.object({
  os: v.nullish(v.object({ Caption: text, Version: text })),
  cpus: v.nullish(v.array(v.object({ Name: text, NumberOfCores: number, NumberOfLogicalProcessors: number, MaxClockSpeed: number }))),
  gpus: v.nullish(v.array(v.object({ Name: text, AdapterCompatibility: text, AdapterRAM: number, DriverVersion: text }))),
  memory: v.nullish(v.array(v.object({ Name: text, Bytes: number }))),
  computer: v.nullish(v.object({ Manufacturer: text, Model: text })),
  bios: v.nullish(v.object({ SMBIOSBIOSVersion: text })),
  power: v.nullish(v.object({ ElementName: text })),
  npus: v.nullish(v.array(v.object({ DeviceName: text, DriverVersion: text }))),
});
export type WindowsMachine = v.InferOutput<typeof Machine>;

/** What the query printed; `undefined` when that is no such thing. */
export function parseWindowsMachine(json: string): WindowsMachine | undefined {
  try {
    return v.parse(Machine, JSON.parse(json.replace(/^\uFEFF/, "")));
  } catch {
    return undefined;
  }
}

/** 4 GB less a little is what AdapterRAM says of every card with more. */
const SATURATED_BYTES = 4_293_918_720;

/** The GPUs of the list; nvidia-smi knows its own better. Virtual display adapters are left out. */
export function gpusOfMachine(
  machine: WindowsMachine | undefined,
  cards: readonly NvidiaCard[],
  cudaVersion?: string,
): readonly GpuFacts[] {
  const unclaimed = [...cards];
  const gpus = (machine?.gpus ?? []).flatMap((controller): GpuFacts[] => {
    const name = controller.Name ?? "";
    const vendor = vendorOfName(name) ?? vendorOfName(controller.AdapterCompatibility ?? "");
    if (vendor === undefined) return [];
    const cardIndex = vendor === "nvidia" ? unclaimed.findIndex((card) => name.includes(card.name) || card.name.includes(name)) : -1;
    const [card] = cardIndex < 0 ? [] : unclaimed.splice(cardIndex, 1);
    if (card !== undefined) return [{ vendor, isIntegrated: false, cudaVersion, ...card, name }];
    const isIntegrated = vendor === "amd" ? !isAmdDiscrete(name) : vendor === "intel" ? !isIntelDiscrete(name) : vendor !== "nvidia";
    const registered = machine?.memory?.find((entry) => entry.Name === name)?.Bytes;
    const reported = controller.AdapterRAM ?? undefined;
    const memoryBytes = registered ?? (reported === undefined || reported >= SATURATED_BYTES ? undefined : reported);
    return [{ vendor, name, isIntegrated, memoryBytes, driverVersion: controller.DriverVersion ?? undefined }];
  });
  return gpus.toSorted((a, b) => Number(a.isIntegrated) - Number(b.isIntegrated));
}

export async function probeWindows(options: ProbeOptions): Promise<SystemFacts> {
  const encoded = Buffer.from(QUERY, "utf16le").toString("base64");
  const [json, smiCards, smiTable, hasLoader] = await Promise.all([
    runTool("powershell.exe", ["-NoProfile", "-NonInteractive", "-EncodedCommand", encoded], { ...options, timeoutMs: 20_000 }),
    runTool("nvidia-smi", NVIDIA_QUERY, options),
    runTool("nvidia-smi", [], options),
    stat(join(options.env["SystemRoot"] ?? "C:\\Windows", "System32", "vulkan-1.dll")).then(
      () => true,
      () => false,
    ),
  ]);
  const machine = parseWindowsMachine(json ?? "");
  const [cpu] = machine?.cpus ?? [];
  const [npu] = machine?.npus ?? [];
  const cores = (machine?.cpus ?? []).reduce((sum, one) => sum + (one.NumberOfCores ?? 0), 0);
  return {
    os: {
      platform: "win32",
      arch: process.arch,
      version: machine?.os?.Caption ? `${machine.os.Caption} ${machine.os.Version ?? ""}`.trim() : `Windows ${release()}`,
      isWsl: false,
    },
    cpu: {
      name: cpu?.Name?.trim() ?? cpus()[0]?.model ?? "unknown",
      cores: cores || cpus().length,
      threads: cpus().length,
      maxClockMhz: cpu?.MaxClockSpeed ?? undefined,
    },
    memoryBytes: totalmem(),
    gpus: gpusOfMachine(machine, parseNvidiaCards(smiCards ?? ""), parseCudaVersion(smiTable ?? "")),
    npu: npu === undefined ? undefined : { name: "AMD NPU", driverVersion: npu.DriverVersion ?? undefined },
    vulkan: { hasLoader },
    computerName: [machine?.computer?.Manufacturer, machine?.computer?.Model].filter(Boolean).join(" ") || undefined,
    biosVersion: machine?.bios?.SMBIOSBIOSVersion ?? undefined,
    powerPlan: machine?.power?.ElementName ?? undefined,
    problems: machine === undefined ? ["PowerShell does not answer, so GPUs and NPU are unknown"] : [],
  };
}
