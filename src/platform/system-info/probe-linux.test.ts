import { expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { probeLinux } from "./probe-linux.ts";

const onLinux = test.skipIf(process.platform !== "linux");

/** A machine made of files, with programs that print what the real ones would. */
async function machine(files: Readonly<Record<string, string>>, tools: Readonly<Record<string, string>> = {}) {
  const root = await mkdtemp(join(tmpdir(), "probe-linux-"));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    if (content.startsWith("-> ")) await symlink(content.slice(3), join(root, path));
    else await writeFile(join(root, path), content);
  }
  const bin = join(root, "tools");
  await mkdir(bin);
  for (const [name, script] of Object.entries(tools)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(bin, name), 0o755);
  }
  return {
    probe: (timeoutMs?: number) => probeLinux({ root, env: { PATH: `${bin}:/bin` }, timeoutMs }),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
}

const pci = (address: string, pciClass: string, vendor: string, device: string, more: Readonly<Record<string, string>> = {}) => {
  const folder = `sys/bus/pci/devices/${address}`;
  const entries = { class: `${pciClass}\n`, vendor: `${vendor}\n`, device: `${device}\n`, ...more };
  return Object.fromEntries(Object.entries(entries).map(([name, text]) => [`${folder}/${name}`, text]));
};

const SYSTEM = {
  "proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD Ryzen 9 9900X\nphysical id\t: 0\ncore id\t: 0\n",
  "proc/version": "Linux version 6.18.44 (builder@host)",
  "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n',
  "sys/class/dmi/id/sys_vendor": "Framework\n",
  "sys/class/dmi/id/product_name": "Desktop\n",
  "sys/class/dmi/id/bios_version": "03.04\n",
  "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "5662000\n",
};

onLinux("a machine with cards of all vendors is described, discrete ones first", async () => {
  await using place = await machine(
    {
      ...SYSTEM,
      ...pci("0000:00:02.0", "0x030000", "0x8086", "0xa780"),
      ...pci("0000:00:1f.3", "0x040300", "0x8086", "0x7a50"),
      ...pci("0000:01:00.0", "0x030000", "0x10de", "0x2684"),
      ...pci("0000:03:00.0", "0x030000", "0x1002", "0x744c", {
        mem_info_vram_total: "25753026560\n",
        mem_info_gtt_total: "33485201408\n",
        driver: "-> ../../../module/amdgpu",
      }),
      ...pci("0000:07:00.0", "0x030000", "0x1a03", "0x2000"),
      "sys/class/kfd/kfd/topology/nodes/0/properties": "cpu_cores_count 12\ngfx_target_version 0\nlocation_id 0\n",
      "sys/class/kfd/kfd/topology/nodes/1/properties": "gfx_target_version 110000\nlocation_id 768\ndomain 0\n",
      "sys/module/amdgpu/version": "6.16.6\n",
      "usr/lib/x86_64-linux-gnu/libvulkan.so.1": "",
      "dev/dri/renderD128": "",
      "sys/class/accel/accel0/device/driver": "-> ../../../module/amdxdna",
    },
    {
      lspci: `cat <<'EOF'
0000:00:02.0 "VGA compatible controller" "Intel Corporation" "Raptor Lake-S GT1 [UHD Graphics 770]" -r04
0000:01:00.0 "VGA compatible controller" "NVIDIA Corporation" "AD102 [GeForce RTX 4090]" -ra1
0000:03:00.0 "VGA compatible controller" "Advanced Micro Devices, Inc. [AMD/ATI]" "Navi 31 [Radeon RX 7900 XT/7900 XTX]" -rc8
EOF`,
      "nvidia-smi":
        '[ $# -gt 0 ] && echo "00000000:01:00.0, NVIDIA GeForce RTX 4090, 24564, 580.95.05" || echo "| Driver Version: 580.95.05  CUDA Version: 13.0 |"',
    },
  );
  const facts = await place.probe();
  expect(facts.gpus).toEqual([
    {
      vendor: "nvidia",
      name: "NVIDIA GeForce RTX 4090",
      isIntegrated: false,
      memoryBytes: 24_564 * 2 ** 20,
      driverVersion: "580.95.05",
      cudaVersion: "13.0",
      pciAddress: "0000:01:00.0",
    },
    {
      vendor: "amd",
      name: "AMD Radeon RX 7900 XT/7900 XTX",
      isIntegrated: false,
      memoryBytes: 25_753_026_560,
      sharedMemoryBytes: 33_485_201_408,
      driverVersion: "6.16.6",
      gfxTarget: "gfx1100",
      pciAddress: "0000:03:00.0",
    },
    expect.objectContaining({ vendor: "intel", name: "Intel UHD Graphics 770", isIntegrated: true, pciAddress: "0000:00:02.0" }),
  ]);
  expect(facts.vulkan).toEqual({ hasLoader: true });
  expect(facts.npu?.name).toBe("AMD NPU");
  expect(facts.cpu).toMatchObject({ name: "AMD Ryzen 9 9900X", cores: 1, maxClockMhz: 5662 });
  expect(facts.os.version).toContain("Debian GNU/Linux 13 (trixie)");
  expect(facts).toMatchObject({ computerName: "Framework Desktop", biosVersion: "03.04", problems: [] });
});

onLinux("the Vulkan driver knows which product it is, and whether it is integrated", async () => {
  await using place = await machine(
    { ...SYSTEM, ...pci("0000:c4:00.0", "0x038000", "0x1002", "0x1586") },
    {
      vulkaninfo: String.raw`printf 'GPU0:\n\tvendorID = 0x1002\n\tdeviceID = 0x1586\n\tdeviceType = PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU\n\tdeviceName = Radeon 8060S Graphics (RADV GFX1151)\n'`,
    },
  );
  const facts = await place.probe();
  expect(facts.gpus).toEqual([expect.objectContaining({ name: "Radeon 8060S Graphics", isIntegrated: true })]);
  expect(facts.vulkan).toEqual({ hasLoader: true, devices: ["Radeon 8060S Graphics"] });
  expect(facts.problems).toEqual([expect.stringContaining("pciutils")]);
});

onLinux("a GPU of the host that a container cannot open does not count for Vulkan", async () => {
  await using place = await machine({ ...SYSTEM, ...pci("0000:01:00.0", "0x030200", "0x10de", "0x2330"), "usr/lib/libvulkan.so.1": "" });
  const facts = await place.probe();
  expect(facts.gpus).toEqual([expect.objectContaining({ vendor: "nvidia", name: "NVIDIA GPU 2330", driverVersion: undefined })]);
  expect(facts.vulkan).toEqual({ hasLoader: true, devices: [] });
  expect(facts.problems).toContainEqual(expect.stringContaining("nvidia-smi does not answer"));
});

onLinux("inside WSL the cards of nvidia-smi count although the bus is empty", async () => {
  await using place = await machine(
    { ...SYSTEM, "proc/version": "Linux version 6.6.87.2-microsoft-standard-WSL2", "dev/dxg": "" },
    { "nvidia-smi": '[ $# -gt 0 ] && echo "00000000:01:00.0, NVIDIA GeForce RTX 4090, 24564, 581.42" || echo "CUDA Version: 13.0"' },
  );
  const facts = await place.probe();
  expect(facts.os.isWsl).toBe(true);
  expect(facts.gpus).toEqual([expect.objectContaining({ name: "NVIDIA GeForce RTX 4090", cudaVersion: "13.0" })]);
});

onLinux("a tool that hangs is given up, and the rest is told", async () => {
  await using place = await machine(
    { ...SYSTEM, ...pci("0000:01:00.0", "0x030000", "0x10de", "0x2684"), "dev/nvidiactl": "" },
    { "nvidia-smi": "exec sleep 300", vulkaninfo: "exec sleep 300" },
  );
  const facts = await place.probe(200);
  expect(facts.gpus).toHaveLength(1);
  expect(facts.cpu.name).toBe("AMD Ryzen 9 9900X");
});

onLinux("a machine without any of these files has no GPU", async () => {
  await using place = await machine({});
  const facts = await place.probe();
  expect(facts).toMatchObject({ gpus: [], npu: undefined, vulkan: { hasLoader: false, devices: [] }, problems: [] });
  expect(facts.memoryBytes).toBeGreaterThan(0);
});

onLinux("the probe of this very machine answers", async () => {
  const facts = await probeLinux({ env: process.env });
  expect(facts.cpu.cores).toBeGreaterThan(0);
  expect(facts.os.version).toStartWith("Linux ");
});
