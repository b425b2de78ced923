const MIB = 2 ** 20;

/**
 * Sums the buffers that llama.cpp says it allocates, by device: `load_tensors:        CUDA0 model buffer size =  4095.05 MiB`, and the
 * same for `KV`, `RS`, `compute` and `output`; before 2025 a model's line had no word before `buffer`. Newer builds tell these lines at a
 * higher verbosity only, and the sums in one object instead.
 */
export class BufferSizes {
  readonly #onChange: (devices: Readonly<Record<string, number>>) => void;
  #devices: Record<string, number> = {};
  #isTold = false;

  constructor(onChange: (devices: Readonly<Record<string, number>>) => void) {
    this.#onChange = onChange;
  }

  /** The sums as the engine itself makes them. */
  tell(devices: Readonly<Record<string, number>>): void {
    this.#isTold = true;
    this.#onChange(devices);
  }

  read(text: string): void {
    const buffer = /: +(\S+) +(?:\w+ )?buffer size *= *([\d.]+) MiB/.exec(text);
    if (buffer === null || this.#isTold) return;
    const [, device = "", mebibytes] = buffer;
    if (!isMainMemory(device)) {
      this.#devices = { ...this.#devices, [device]: (this.#devices[device] ?? 0) + Math.round(Number(mebibytes) * MIB) };
    }
    this.#onChange(this.#devices);
  }
}

/** `CPU`, `CPU_Mapped`, `CPU_REPACK`, and main memory that a device can reach: `CUDA_Host`, `Vulkan_Host`. */
function isMainMemory(device: string): boolean {
  return device.startsWith("CPU") || device.endsWith("_Host");
}
