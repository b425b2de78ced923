import releases from "./releases.json" with { type: "json" };

/** Kinds of published builds. Which of them is taken where several fit, the table says. */
export const RELEASE_VARIANTS = ["metal", "cuda", "rocm", "vulkan", "cpu"] as const;
export type ReleaseVariant = (typeof RELEASE_VARIANTS)[number];

/** Variants in the order in which an installed one is taken when none is asked for, as the release table has it. */
export const RUN_ORDER: readonly string[] = releases.defaults.toRun;
