import { EMBEDDED_ENGINE_PINS, embeddedEngineFolder, findEmbeddedEngine } from "../backends/engines/index.ts";
import { FLM_POLICY, type FlmProgram } from "../backends/index.ts";
import { isExecutable, listInstalledLlamaCpp, readReleaseTable, reportVariants } from "../backends/installers/index.ts";
import type { Settings } from "../config/index.ts";
import type { SystemFacts } from "../platform/system-info/index.ts";
import type { ListedEngineName } from "./engine-name.ts";
import { describeFoundLlamaCpp } from "./found-llamacpp.ts";

/** One engine that is here or could be. */
export interface EngineStatus {
  readonly name: ListedEngineName;
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

export interface EngineStatusParts {
  readonly settings: Settings;
  readonly facts: SystemFacts;
  readonly flm: FlmProgram;
  /** What engines inherit. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether programs may take their time to say their versions, which are `unknown` otherwise. */
  readonly isPatient: boolean;
}

const PATIENCE_MS = { patient: 5000, hasty: 20 };

/** Every engine, llama.cpp's default variant first. */
export async function describeEngines(parts: EngineStatusParts): Promise<readonly EngineStatus[]> {
  const patienceMs = parts.isPatient ? PATIENCE_MS.patient : PATIENCE_MS.hasty;
  const [llamacpp, found, embedded, flm] = await Promise.all([
    describeLlamaCpp(parts),
    describeFoundLlamaCpp({ ...parts, patienceMs }),
    describeEmbedded(parts),
    describeFlm(parts),
  ]);
  return [...llamacpp, ...found, embedded, flm];
}

async function describeLlamaCpp({ settings, facts }: EngineStatusParts): Promise<readonly EngineStatus[]> {
  const [builds, own] = await Promise.all([listInstalledLlamaCpp(settings.binDir), ownBuilds(settings)]);
  const here = new Map([...builds.map(({ variant, tag, executable }) => [variant, { version: tag, path: executable }] as const), ...own]);
  const installed = (variant: string) => here.get(variant);
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

/** The user's own builds stand for installed ones of their variant while their files are there. */
async function ownBuilds({ ownLlamaCpp }: Settings): Promise<readonly (readonly [string, NonNullable<EngineStatus["installed"]>])[]> {
  const named = Object.entries(ownLlamaCpp);
  const isHere = await Promise.all(named.map(async ([, path]) => await isExecutable(path)));
  return named.filter((_, at) => isHere[at]).map(([variant, path]) => [variant, { version: "your own", path }] as const);
}

async function describeEmbedded({ settings }: EngineStatusParts): Promise<EngineStatus> {
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

async function describeFlm({ settings, facts, flm, isPatient }: EngineStatusParts): Promise<EngineStatus> {
  const path = await flm.find();
  const hasNpu = facts.npu !== undefined || settings.isNpuAssumed;
  const isWindows = facts.os.platform === "win32";
  return {
    name: { backend: "flm" },
    installed: path === undefined ? undefined : { version: (isPatient ? await flm.version() : undefined) ?? "unknown", path },
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
