import { describe, expect, test } from "bun:test";
import type { EngineStatus } from "../router/index.ts";
import type { SystemFacts } from "../platform/system-info/index.ts";
import { renderSystemInfo } from "./system-info.ts";

const FACTS: SystemFacts = {
  os: { platform: "linux", arch: "x64", version: "Linux 6.1.0 (Debian GNU/Linux 12)", isWsl: false },
  cpu: { name: "AMD Ryzen 7 7700", cores: 8, threads: 16 },
  memoryBytes: 33_344_000_000,
  gpus: [],
  npu: undefined,
  vulkan: { hasLoader: false },
  problems: [],
};
const status = (name: EngineStatus["name"], version: string | undefined, isUsable: boolean, reason: string): EngineStatus => ({
  name,
  installed: version === undefined ? undefined : { version, path: "/bin/engine" },
  availableVersion: undefined,
  isUsable,
  isDefault: false,
  reason,
});
const ENGINES: readonly EngineStatus[] = [
  status({ backend: "llamacpp", variant: "vulkan" }, "b6510", true, "Uses Radeon"),
  status({ backend: "llamacpp", variant: "rocm" }, undefined, false, "No AMD GPU answers"),
  status({ backend: "llamacpp", variant: "cuda" }, undefined, true, "Uses GeForce"),
  status({ backend: "llamacpp", variant: "cpu" }, undefined, true, "Runs everywhere"),
  status({ backend: "llamacpp", variant: "from-source" }, "b9999", true, "Made on this machine"),
  status({ backend: "llamacpp", variant: "system" }, undefined, false, "No llama-server is on PATH"),
  status({ backend: "embedded" }, "3.22.1", true, "In a process of ours"),
  status({ backend: "flm" }, undefined, false, "No NPU answers"),
];
const render = (facts: Partial<SystemFacts> = {}, verbose = false) =>
  JSON.parse(JSON.stringify(renderSystemInfo({ facts: { ...FACTS, ...facts }, engines: ENGINES }, { verbose }))) as Record<string, unknown>;

describe("system-info in Lemonade's words", () => {
  test("a machine without a GPU has every device, with why it is missing", () => {
    expect(render()).toEqual({
      "OS Version": "Linux 6.1.0 (Debian GNU/Linux 12)",
      Processor: "AMD Ryzen 7 7700",
      "Physical Memory": "31.05 GB",
      devices: {
        cpu: {
          name: "AMD Ryzen 7 7700",
          cores: 8,
          threads: 16,
          architecture: "x64",
          available: true,
          inference_engines: {
            "llamacpp-vulkan": { available: true, version: "b6510", backend: "vulkan" },
            "llamacpp-cpu": { available: false, error: "cpu binaries not installed" },
            "llamacpp-from-source": { available: true, version: "b9999", backend: "from-source" },
            "llamacpp-system": { available: false, error: "system not available: No llama-server is on PATH" },
            embedded: { available: true, version: "3.22.1" },
            oga: { available: false },
          },
        },
        amd_igpu: { name: "", available: false, error: "No AMD integrated GPU found", inference_engines: {} },
        amd_dgpu: [{ name: "", available: false, error: "No AMD discrete GPU found" }],
        nvidia_dgpu: [{ name: "", available: false, error: "No NVIDIA discrete GPU found" }],
        other_gpu: [],
        npu: {
          name: "AMD NPU",
          available: false,
          error: "No NPU found",
          inference_engines: { flm: { available: false, error: "flm is not installed" }, oga: { available: false } },
        },
      },
    });
  });

  test("GPUs are listed by maker and kind, each with the engines that use it", () => {
    const { devices } = render({
      gpus: [
        { vendor: "amd", name: "Radeon RX 7900", isIntegrated: false, memoryBytes: 24 * 2 ** 30, driverVersion: "6.1" },
        { vendor: "nvidia", name: "GeForce", isIntegrated: false },
        { vendor: "nvidia", name: "GeForce 2", isIntegrated: false },
        { vendor: "amd", name: "Radeon 780M", isIntegrated: true, memoryBytes: 2 ** 29, sharedMemoryBytes: 2 ** 34 },
        { vendor: "intel", name: "Arc", isIntegrated: true },
      ],
      npu: { name: "AMD XDNA 2", driverVersion: "32.0" },
    });
    expect(devices).toMatchObject({
      amd_igpu: { name: "Radeon 780M", available: true, vram_gb: 0.5, shared_memory_gb: 16 },
      amd_dgpu: [
        {
          name: "Radeon RX 7900",
          available: true,
          vram_gb: 24,
          driver_version: "6.1",
          inference_engines: {
            "llamacpp-vulkan": { available: true, version: "b6510" },
            "llamacpp-rocm": { available: false, error: "rocm not available: No AMD GPU answers" },
          },
        },
      ],
      nvidia_dgpu: [{ name: "GeForce", inference_engines: { "llamacpp-cuda": { available: false } } }, { name: "GeForce 2" }],
      other_gpu: [{ name: "Arc", available: true }],
      npu: { name: "AMD XDNA 2", available: true, driver_version: "32.0" },
    });
  });

  test("verbose adds what people ask for, and a list that is not empty for programs", () => {
    const facts = { computerName: "Framework 13", cpu: { ...FACTS.cpu, maxClockMhz: 5300 }, problems: ["lspci is missing"] };
    expect(render(facts, true)).toMatchObject({
      "OEM System": "Framework 13",
      "CPU Max Clock": "5300 MHz",
      "Python Packages": ["not-applicable"],
      problems: ["lspci is missing"],
    });
    expect(render(facts)).not.toHaveProperty("Python Packages");
  });
});
