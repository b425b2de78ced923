import type { EngineStatus, GpuFacts, SystemReport } from "../router/index.ts";

type Fields = Readonly<Record<string, unknown>>;

const GIB = 2 ** 30;

/**
 * The report in the words of Lemonade's `system-info`. Devices that are missing are described as unavailable, as there; engines that
 * Lemonade does not know stand beside its own.
 */
export function renderSystemInfo({ facts, engines }: SystemReport, { verbose = false }: { verbose?: boolean | undefined } = {}): Fields {
  const { os, cpu, gpus, npu, memoryBytes, problems } = facts;
  const of = (vendor: GpuFacts["vendor"], isIntegrated: boolean) =>
    gpus.filter((gpu) => gpu.vendor === vendor && gpu.isIntegrated === isIntegrated);
  const [igpu] = of("amd", true);
  const others = gpus.filter(({ vendor, isIntegrated }) => vendor !== "amd" && (vendor !== "nvidia" || isIntegrated));
  return {
    "OS Version": os.version,
    Processor: cpu.name,
    "Physical Memory": `${(memoryBytes / GIB).toFixed(2)} GB`,
    ...(verbose ? verboseFields(facts) : {}),
    devices: {
      cpu: {
        name: cpu.name,
        cores: cpu.cores,
        threads: cpu.threads,
        architecture: os.arch,
        max_clock_speed_mhz: cpu.maxClockMhz,
        available: true,
        inference_engines: { ...llamacpp(engines, CPU_VARIANTS), ...embedded(engines), oga: { available: false } },
      },
      amd_igpu: igpu === undefined ? { ...missing("No AMD integrated GPU found"), inference_engines: {} } : renderGpu(igpu, engines),
      amd_dgpu: renderGpus(of("amd", false), engines, "No AMD discrete GPU found"),
      nvidia_dgpu: renderGpus(of("nvidia", false), engines, "No NVIDIA discrete GPU found"),
      other_gpu: others.map((gpu) => renderGpu(gpu, engines)),
      npu: {
        name: npu?.name ?? "AMD NPU",
        available: npu !== undefined,
        ...(npu === undefined ? { error: "No NPU found" } : { driver_version: npu.driverVersion, power_mode: npu.powerMode }),
        inference_engines: { ...flm(engines), oga: { available: false } },
      },
    },
    ...(problems.length > 0 ? { problems } : {}),
  };
}

function verboseFields({ computerName, biosVersion, powerPlan, cpu }: SystemReport["facts"]): Fields {
  return {
    "OEM System": computerName,
    "BIOS Version": biosVersion,
    "CPU Max Clock": cpu.maxClockMhz === undefined ? undefined : `${cpu.maxClockMhz} MHz`,
    "Windows Power Setting": powerPlan,
    // What Lemonade's port to C++ says: clients want a list that is not empty.
    "Python Packages": ["not-applicable"],
  };
}

function renderGpus(gpus: readonly GpuFacts[], engines: EngineEntries, nothing: string): readonly Fields[] {
  return gpus.length === 0 ? [missing(nothing)] : gpus.map((gpu) => renderGpu(gpu, engines));
}

function renderGpu(gpu: GpuFacts, engines: EngineEntries): Fields {
  const { vendor, name, memoryBytes, sharedMemoryBytes, driverVersion } = gpu;
  return {
    name,
    available: true,
    vram_gb: gigabytes(memoryBytes),
    shared_memory_gb: gigabytes(sharedMemoryBytes),
    driver_version: driverVersion,
    inference_engines: llamacpp(engines, GPU_VARIANTS[vendor]),
  };
}

function missing(error: string): Fields {
  return { name: "", available: false, error };
}

type EngineEntries = readonly EngineStatus[];

/** Builds of llama.cpp by what they run on; those that we did not fetch may use anything. */
const CPU_VARIANTS = ["vulkan", "cpu", "from-source", "system", "bin"] as const;
const GPU_VARIANTS: Readonly<Record<GpuFacts["vendor"], readonly string[]>> = {
  amd: ["vulkan", "rocm"],
  nvidia: ["vulkan", "cuda"],
  intel: ["vulkan"],
  qualcomm: ["vulkan"],
  apple: ["metal"],
  other: ["vulkan"],
};

function llamacpp(engines: EngineEntries, variants: readonly string[]): Fields {
  return Object.fromEntries(
    engines.flatMap(({ name: { backend, variant }, installed, isUsable, reason }) => {
      if (backend !== "llamacpp" || !variants.includes(variant)) return [];
      const state = installed
        ? { available: true, version: installed.version, backend: variant }
        : notInstalled(isUsable ? `${variant} binaries not installed` : `${variant} not available: ${reason}`);
      return [[`llamacpp-${variant}`, state]];
    }),
  );
}

function embedded(engines: EngineEntries): Fields {
  const installed = engines.find(({ name }) => name.backend === "embedded")?.installed;
  return { embedded: installed ? { available: true, version: installed.version } : notInstalled("embedded engine not installed") };
}

function flm(engines: EngineEntries): Fields {
  const isHere = engines.some(({ name, installed }) => name.backend === "flm" && installed !== undefined);
  return { flm: isHere ? { available: true } : notInstalled("flm is not installed") };
}

function notInstalled(error: string): Fields {
  return { available: false, error };
}

function gigabytes(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : Math.round((bytes / GIB) * 100) / 100;
}
