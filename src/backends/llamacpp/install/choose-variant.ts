import type { SystemFacts } from "../../../platform/system-info/index.ts";
import {
  chooseRelease,
  RELEASE_VARIANTS,
  type ReleaseChoice,
  type ReleaseNeeds,
  type ReleaseTable,
  type ReleaseVariant,
} from "./release-table.ts";
import { chooseRocmFamily } from "./rocm-family.ts";

export interface VariantReport {
  readonly variant: ReleaseVariant;
  /** The build that an installation fetches; `undefined` when none is published for this system and processor. */
  readonly release: ReleaseChoice | undefined;
  /** Whether it would make use of this machine. A published build may be installed all the same: hardware comes and goes. */
  readonly isUsable: boolean;
  readonly isDefault: boolean;
  /** Why it is or is not the right one, as one sentence. */
  readonly reason: string;
}

export interface DefaultVariant {
  /** `from-source` where nothing is published. */
  readonly variant: ReleaseVariant | "from-source";
  readonly reason: string;
}

/** What a release needs to know of the machine. */
export function releaseNeeds(facts: SystemFacts, tag?: string): ReleaseNeeds {
  return {
    platform: facts.os.platform,
    arch: facts.os.arch,
    tag,
    cudaVersion: facts.gpus.find(({ cudaVersion }) => cudaVersion !== undefined)?.cudaVersion,
    gfx: chooseRocmFamily(facts.gpus),
  };
}

/** Every variant with its build for this machine and what speaks for or against it, the default one first. */
export function reportVariants(facts: SystemFacts, table: ReleaseTable): readonly VariantReport[] {
  const needs = releaseNeeds(facts);
  const { variant: preferred } = chooseDefaultVariant(facts, table);
  const reports = RELEASE_VARIANTS.map((variant): VariantReport => {
    const release = chooseRelease(variant, needs, table);
    const verdict = release === undefined ? noBuild(facts) : JUDGES[variant](facts);
    return { variant, release, ...verdict, isDefault: variant === preferred };
  });
  return reports.toSorted((a, b) => Number(b.isDefault) - Number(a.isDefault));
}

/** The first of the table's defaults that is published for the machine and can use its hardware. */
export function chooseDefaultVariant(facts: SystemFacts, table: ReleaseTable): DefaultVariant {
  const needs = releaseNeeds(facts);
  for (const variant of table.defaults.toInstall) {
    if (chooseRelease(variant, needs, table) === undefined) continue;
    const { isUsable, reason } = JUDGES[variant](facts);
    if (isUsable) return { variant, reason };
  }
  return { variant: "from-source", reason: `${noBuild(facts).reason}; it can be built from source` };
}

type Verdict = Pick<VariantReport, "isUsable" | "reason">;

const noBuild = ({ os }: SystemFacts): Verdict => no(`No such build is published for ${os.platform} on ${os.arch}`);

const JUDGES: Readonly<Record<ReleaseVariant, (facts: SystemFacts) => Verdict>> = {
  metal: () => yes("Uses the GPU of Apple silicon"),
  vulkan: judgeVulkan,
  cuda: judgeCuda,
  rocm: judgeRocm,
  cpu: () => yes("Runs everywhere; slower than a GPU"),
};

function judgeVulkan({ gpus, vulkan, os }: SystemFacts): Verdict {
  const devices = vulkan.devices ?? gpus.map(({ name }) => name);
  const [first] = devices;
  if (first === undefined) return no("No GPU answers");
  if (!vulkan.hasLoader) {
    const remedy =
      os.platform === "linux" ? "install the package libvulkan1 (Debian, Ubuntu) or vulkan-loader" : "install the GPU's driver";
    return no(`The Vulkan loader is missing: ${remedy}`);
  }
  return yes(`Uses ${first}`);
}

function judgeCuda({ gpus }: SystemFacts): Verdict {
  const card = gpus.find(({ vendor }) => vendor === "nvidia");
  if (card === undefined) return no("No NVIDIA GPU answers");
  return card.driverVersion === undefined ? no(`The driver of ${card.name} does not answer`) : yes(`Uses ${card.name}`);
}

function judgeRocm({ gpus }: SystemFacts): Verdict {
  const cards = gpus.filter(({ vendor }) => vendor === "amd");
  if (cards.length === 0) return no("No AMD GPU answers");
  const family = chooseRocmFamily(gpus);
  return family === undefined
    ? no(`No ROCm build is published for ${cards.map(({ name }) => name).join(", ")}`)
    : yes(`For the family ${family}`);
}

const yes = (reason: string): Verdict => ({ isUsable: true, reason });
const no = (reason: string): Verdict => ({ isUsable: false, reason });
