import { readFile } from "node:fs/promises";
import { cpus, hostname, release, totalmem } from "node:os";
import { errorMessage } from "../../errors.ts";
import { readHardwareCache, writeHardwareCache, type CachedFacts } from "./hardware-cache.ts";
import type { ProbeOptions } from "./probe-linux.ts";
import type { SystemFacts } from "./system-facts.ts";

export interface SystemInfoOptions {
  /** Where facts are kept between starts, such as `<cache>/hardware_facts.json`; without one every start finds them out. */
  readonly cacheFile?: string | undefined;
  /** Our environment; tools are looked up on its `PATH`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Finds the facts. Defaults to the probe of this system. */
  readonly probe?: ((options: ProbeOptions) => Promise<SystemFacts>) | undefined;
  /** Milliseconds since the epoch. Defaults to the system's clock. */
  readonly now?: (() => number) | undefined;
}

/** A driver can be installed without a restart; nobody notices facts that are an hour old. */
const FRESH_FOR_MS = 3_600_000;
/** `current()` waits this long for a first probe: on many machines it is done by then, and a request may wait that long. */
const FIRST_ANSWER_MS = 30;

/** The machine's facts for everybody who needs them: asked once at a time, kept on disk, refreshed behind the answers. */
export class SystemInfo implements AsyncDisposable {
  readonly #options: SystemInfoOptions;
  readonly #closing = new AbortController();
  #known: CachedFacts | undefined;
  #probing: Promise<SystemFacts> | undefined;

  constructor(options: SystemInfoOptions) {
    this.#options = options;
  }

  /** What is known now, within 50 ms: on the first start ever perhaps only processor and memory, and `problems` says so. */
  async current(): Promise<SystemFacts> {
    return (await this.known(FIRST_ANSWER_MS)) ?? basicFacts();
  }

  /** What is known, also when it is no longer fresh; only where nothing is known yet, a first probe is waited for. */
  async known(patienceMs: number): Promise<SystemFacts | undefined> {
    const known = await this.#recall();
    if (known !== undefined) {
      if (!this.#isFresh(known, await describeSystem())) void this.#refresh();
      return known.facts;
    }
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => (timer = setTimeout(resolve, patienceMs, undefined)));
    try {
      return await Promise.race([this.#refresh(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Everything there is to know, for which a few seconds may pass. Fresh facts are not found out again unless `force`. */
  async complete({
    force = false,
    signal,
  }: { readonly force?: boolean; readonly signal?: AbortSignal | undefined } = {}): Promise<SystemFacts> {
    signal?.throwIfAborted();
    const known = await this.#recall();
    if (!force && known !== undefined && this.#isFresh(known, await describeSystem())) return known.facts;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const leave = (): void => reject(signal?.reason);
    signal?.addEventListener("abort", leave, { once: true });
    try {
      // The probe has other waiters, so one of them leaving does not end it.
      return await Promise.race([this.#refresh(), aborted]);
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#probing;
  }

  async #recall(): Promise<CachedFacts | undefined> {
    const { cacheFile } = this.#options;
    if (this.#known === undefined && cacheFile !== undefined) {
      const read = await readHardwareCache(cacheFile);
      this.#known ??= read; // A probe may have ended meanwhile, and knows better.
    }
    return this.#known;
  }

  #isFresh(known: CachedFacts, system: string): boolean {
    const ageMs = this.#now() - known.probedAtMs;
    // A clock that was set back must not keep facts for years.
    return known.system === system && ageMs >= 0 && ageMs < FRESH_FOR_MS;
  }

  #refresh(): Promise<SystemFacts> {
    this.#probing ??= this.#probe().finally(() => (this.#probing = undefined));
    return this.#probing;
  }

  async #probe(): Promise<SystemFacts> {
    const { env, cacheFile, probe = probeThisMachine } = this.#options;
    const { signal } = this.#closing;
    const facts = await probe({ env, signal }).catch((error: unknown) => ({
      ...basicFacts(),
      problems: [`The hardware could not be examined: ${errorMessage(error)}`],
    }));
    // Tools that were ended early have told nothing, and that is not worth keeping.
    if (signal.aborted) return facts;
    this.#known = { facts, system: await describeSystem(), probedAtMs: this.#now() };
    // A cache that cannot be written costs time at the next start and nothing else.
    if (cacheFile !== undefined) await writeHardwareCache(cacheFile, this.#known).catch(() => undefined);
    return facts;
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}

/** The probe of this system, loaded when it is needed: most starts read the cache. */
async function probeThisMachine(options: ProbeOptions): Promise<SystemFacts> {
  switch (process.platform) {
    case "linux":
      return await (await import("./probe-linux.ts")).probeLinux(options);
    case "darwin":
      return await (await import("./probe-macos.ts")).probeMacos(options);
    case "win32":
      return await (await import("./probe-windows.ts")).probeWindows(options);
    default:
      return { ...basicFacts(), problems: [`GPUs are not looked for on ${process.platform}`] };
  }
}

/** What the runtime itself knows. */
function basicFacts(): SystemFacts {
  const threads = cpus();
  return {
    os: { platform: process.platform, arch: process.arch, version: `${process.platform} ${release()}`, isWsl: false },
    cpu: { name: threads[0]?.model ?? "unknown", cores: threads.length, threads: threads.length },
    memoryBytes: totalmem(),
    gpus: [],
    npu: undefined,
    vulkan: { hasLoader: false },
    problems: ["The hardware is still being examined"],
  };
}

/** Changes with every boot where the system counts them, else with the kernel: hardware changes while the machine is off. */
async function describeSystem(): Promise<string> {
  const bootId = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
  return `${hostname()} ${release()} ${bootId.trim()}`.trim();
}
