import { RELEASE_VARIANTS, type ReleaseVariant } from "../backends/index.ts";
import { RouterError } from "../errors.ts";

/** An engine that can be installed: a published build of llama.cpp, one built here, or one that has no variants. */
export type EngineName =
  | { readonly backend: "llamacpp"; readonly variant: ReleaseVariant | "from-source" }
  | { readonly backend: "embedded"; readonly variant?: undefined }
  | { readonly backend: "flm"; readonly variant?: undefined };

/** One that is listed: also a llama-server that was found on PATH (`system`) or named by path (`bin`). */
export type ListedEngineName = EngineName | { readonly backend: "llamacpp"; readonly variant: "system" | "bin" };

/** What a user may write; without a variant llama.cpp's default one is meant. */
export type EngineQuery = EngineName | { readonly backend: "llamacpp"; readonly variant?: undefined };

/** `llamacpp:vulkan`, `embedded`. */
export function formatEngineName({ backend, variant }: { readonly backend: string; readonly variant?: string | undefined }): string {
  return variant === undefined ? backend : `${backend}:${variant}`;
}

/**
 * Reads `BACKEND[:VARIANT]`.
 * @throws {@link RouterError} `INVALID_REQUEST` naming what there is.
 */
export function parseEngineName(text: string): EngineQuery {
  const [backend = "", variant, ...rest] = text.split(":");
  if (rest.length === 0) {
    if (backend === "llamacpp" && variant === undefined) return { backend };
    if ((backend === "embedded" || backend === "flm") && variant === undefined) return { backend };
    const known = ([...RELEASE_VARIANTS, "from-source"] as const).find((name) => name === variant);
    if (backend === "llamacpp" && known !== undefined) return { backend, variant: known };
  }
  const names = [...[...RELEASE_VARIANTS, "from-source"].map((name) => `llamacpp:${name}`), "embedded", "flm"];
  throw new RouterError("INVALID_REQUEST", `There is no engine ${JSON.stringify(text)}`, {
    hint: `Known: ${names.join(", ")}.`,
  });
}
