import { EMBEDDED_ENGINE_PINS, embeddedEngineFolder, findEmbeddedEngine, FLM_POLICY, type FlmProgram } from "../backends/index.ts";
import { listInstalledLlamaCpp, readReleaseTable, reportVariants } from "../backends/installers/index.ts";
import type { Settings } from "../config/index.ts";
import type { SystemFacts } from "../platform/system-info/index.ts";
import type { EngineName } from "./engine-name.ts";

/** One engine that is here or could be. */
export interface EngineStatus {
  readonly name: EngineName;
  /** Version and place of what is installed. */
  readonly installed: { readonly version: string; readonly path: string } | undefined;
  /** The version that an installation would bring; undefined where there is nothing to install. */
  readonly availableVersion: string | undefined;
  /** Whether it makes use of this machine. */
  readonly isUsable: boolean;
  /** What an installation without a variant brings. */
  readonly isDefault: boolean;
  /** Why it is or is not the right one, as one sentence. */
  readonly reason: string;
}

interface Parts {
  readonly settings: Settings;
  readonly facts: SystemFacts;
  readonly flm: FlmProgram;
}

/** Every engine, llama.cpp's default variant first. */
export async function describeEngines(parts: Parts): Promise<readonly EngineStatus[]> {
  const [llamacpp, embedded, flm] = await Promise.all([describeLlamaCpp(parts), describeEmbedded(parts), describeFlm(parts)]);
  return [...llamacpp, embedded, flm];
}

async function describeLlamaCpp({ settings, facts }: Parts): Promise<readonly EngineStatus[]> {
  const builds = new Map((await listInstalledLlamaCpp(settings.binDir)).map((build) => [build.variant, build]));
  const installed = (variant: string) => {
    const build = builds.get(variant);
    const own = settings.ownLlamaCpp[variant];
    if (own !== undefined) return { version: "your own", path: own };
    return build && { version: build.tag, path: build.executable };
  };
  const reports = reportVariants(facts, readReleaseTable());
  const published = reports.map(({ variant, release, isUsable, isDefault, reason }) => ({
    name: { backend: "llamacpp" as const, variant },
    installed: installed(variant),
    availableVersion: release?.tag,
    isUsable,
    isDefault,
    reason,
  }));
  const fromSource: EngineStatus = {
    name: { backend: "llamacpp", variant: "from-source" },
    installed: installed("from-source"),
    availableVersion: EMBEDDED_ENGINE_PINS[`${process.platform}-${process.arch}`] === undefined ? undefined : "source",
    isUsable: true,
    isDefault: reports.every(({ isDefault }) => !isDefault),
    reason: "Built on this machine with cmake and a compiler",
  };
  return [...published, fromSource];
}

async function describeEmbedded({ settings }: Parts): Promise<EngineStatus> {
  const engine = await findEmbeddedEngine(embeddedEngineFolder(settings.binDir));
  const machine = `${process.platform}-${process.arch}`;
  const pin = EMBEDDED_ENGINE_PINS[machine];
  return {
    name: { backend: "embedded" },
    installed: engine && { version: engine.version, path: engine.folder },
    availableVersion: pin?.version,
    isUsable: pin !== undefined,
    isDefault: false,
    reason: pin === undefined ? `No such engine is published for ${machine}` : "llama.cpp in a process of ours; used where nothing else is",
  };
}

async function describeFlm({ settings, facts, flm }: Parts): Promise<EngineStatus> {
  const path = await flm.find();
  const hasNpu = facts.npu !== undefined || settings.isNpuAssumed;
  const isWindows = facts.os.platform === "win32";
  return {
    name: { backend: "flm" },
    installed: path === undefined ? undefined : { version: (await flm.version()) ?? "unknown", path },
    availableVersion: isWindows ? FLM_POLICY.version : undefined,
    isUsable: hasNpu && (isWindows || path !== undefined),
    isDefault: false,
    reason: !hasNpu
      ? "No NPU answers: FastFlowLM needs an AMD Ryzen AI processor with one"
      : isWindows || path !== undefined
        ? `Uses ${facts.npu?.name ?? "the NPU"}`
        : "Its installer is for Windows; here `flm` must be on PATH",
  };
}
