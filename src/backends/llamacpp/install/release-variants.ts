/** Kinds of published builds, best first where several fit: what a machine gets is decided in `choose-variant.ts`. */
export const RELEASE_VARIANTS = ["metal", "cuda", "rocm", "vulkan", "cpu"] as const;
export type ReleaseVariant = (typeof RELEASE_VARIANTS)[number];
