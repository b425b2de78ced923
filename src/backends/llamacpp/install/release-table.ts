import * as v from "valibot";
import { RELEASE_VARIANTS, type ReleaseVariant } from "./release-variants.ts";
import releases from "./releases.json" with { type: "json" };

export { RELEASE_VARIANTS, type ReleaseVariant };

const Build = v.strictObject({
  variant: v.picklist(RELEASE_VARIANTS),
  platform: v.picklist(["linux", "darwin", "win32"]),
  arch: v.picklist(["x64", "arm64"]),
  source: v.string(),
  /** File name with `{tag}`, `{toolkit}` and `{gfx}` to be filled in. */
  asset: v.string(),
  /** Libraries that come in an archive of their own and belong beside the executable. */
  runtime: v.optional(v.string()),
  /** Version of CUDA that the build is made with. */
  toolkit: v.optional(v.string()),
});
export type ReleaseBuild = v.InferOutput<typeof Build>;

const Source = v.strictObject({
  repository: v.pipe(v.string(), v.regex(/^[\w.-]+\/[\w.-]+$/)),
  tag: v.pipe(v.string(), v.regex(/^[\w.-]+$/)),
});

export const ReleaseTable = v.strictObject({
  sources: v.record(v.string(), Source),
  defaults: v.strictObject({
    /**
     * What an installation without a variant brings: the first one that is published for the machine and can use its hardware. Metal on
     * Apple silicon, Vulkan elsewhere, the CPU where no GPU answers.
     */
    toInstall: v.array(v.picklist(RELEASE_VARIANTS)),
    /** Which of several installed ones runs a model: the first one that can use the hardware. */
    toRun: v.array(v.picklist([...RELEASE_VARIANTS, "from-source"])),
  }),
  builds: v.array(Build),
  /** Published digests by file name; `scripts/bump-llamacpp.ts` records them with the tag. */
  sha256: v.record(v.string(), v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))),
});
export type ReleaseTable = v.InferOutput<typeof ReleaseTable>;

/** The table of published builds that this version of the program installs. */
export const readReleaseTable = (): ReleaseTable => v.parse(ReleaseTable, releases);

/** A file to fetch from a release, by name; `pattern` finds it in releases that number their toolkits or pack otherwise. */
export interface ReleaseAsset {
  readonly name: string;
  readonly pattern: RegExp;
  readonly sha256: string | undefined;
}

export interface ReleaseChoice {
  readonly variant: ReleaseVariant;
  readonly repository: string;
  readonly tag: string;
  /** The archive with the executable, then those that belong beside it. */
  readonly assets: readonly ReleaseAsset[];
  /** AMD family that the build is for, such as `gfx110X`. */
  readonly gfx?: string | undefined;
}

export interface ReleaseNeeds {
  readonly platform: NodeJS.Platform;
  readonly arch: string;
  /** Another tag than the pinned one. */
  readonly tag?: string | undefined;
  /** Newest CUDA of the driver, such as `12.9`. Unknown: the oldest build, which every newer driver runs too. */
  readonly cudaVersion?: string | undefined;
  readonly gfx?: string | undefined;
}

/** The published build of a variant for a machine; `undefined` when there is none for its system and processor. */
export function chooseRelease(variant: ReleaseVariant, needs: ReleaseNeeds, table: ReleaseTable): ReleaseChoice | undefined {
  const fitting = table.builds.filter((one) => one.variant === variant && one.platform === needs.platform && one.arch === needs.arch);
  const build = newestRunnable(fitting, needs.cudaVersion);
  const source = build && table.sources[build.source];
  if (build === undefined || source === undefined) return undefined;
  const tag = needs.tag ?? source.tag;
  const asset = (template: string): ReleaseAsset => {
    const name = fill(template, { tag, toolkit: build.toolkit ?? "", gfx: needs.gfx ?? "" });
    const sha256 = table.sha256[`${tag}/${name}`];
    return { name, pattern: assetPattern(template, { tag, toolkit: build.toolkit ?? "", gfx: needs.gfx ?? "" }), sha256 };
  };
  const assets = [build.asset, ...(build.runtime === undefined ? [] : [build.runtime])].map(asset);
  const gfx = build.asset.includes("{gfx}") ? { gfx: needs.gfx } : {};
  return { variant, repository: source.repository, tag, assets, ...gfx };
}

/** Within one major version of CUDA every driver runs every build; a newer major needs a newer driver. */
function newestRunnable(builds: readonly ReleaseBuild[], cudaVersion: string | undefined): ReleaseBuild | undefined {
  const sorted = builds.toSorted((a, b) => Number(a.toolkit ?? 0) - Number(b.toolkit ?? 0));
  if (cudaVersion === undefined) return sorted[0];
  return sorted.findLast(({ toolkit }) => toolkit === undefined || major(toolkit) <= major(cudaVersion));
}

const major = (version: string): number => Number.parseInt(version, 10);

type Values = Readonly<Record<"tag" | "toolkit" | "gfx", string>>;

const fill = (template: string, values: Values): string => template.replaceAll(/\{(\w+)\}/g, (_, key: keyof Values) => values[key]);

/** Releases before 2026 packed everything as zip, and the minor version of the toolkit moves from release to release. */
function assetPattern(template: string, values: Values): RegExp {
  const parts = template.replace(/\.(zip|tar\.gz)$/, "").split(/\{(\w+)\}/);
  const source = parts.map((part, index) => {
    if (index % 2 === 0) return escapePattern(part);
    return part === "toolkit" ? `${major(values.toolkit)}\\.\\d+` : escapePattern(values[part as keyof Values]);
  });
  return new RegExp(`^${source.join("")}\\.(?:zip|tar\\.gz|tar\\.xz)$`);
}

const escapePattern = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
