import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readBuildMarkers } from "../../install/index.ts";
import { findInFolder } from "../find-executable.ts";

export interface InstalledBuild {
  /** Name of its folder: a variant of the release table, or `from-source`. */
  readonly variant: string;
  readonly tag: string;
  /** The user asked for this version: a moved pin does not replace it. */
  readonly isKept: boolean;
  readonly executable: string;
}

/** The llama.cpp builds in `<binDir>/llamacpp` that an installation has finished. */
export async function listInstalledLlamaCpp(binDir: string): Promise<readonly InstalledBuild[]> {
  const folder = join(binDir, "llamacpp");
  // Names with a dot are locks, and folders on their way in or out.
  const names = (await readdir(folder).catch(() => [])).filter((name) => !name.includes("."));
  const builds = await Promise.all(
    names.map(async (variant) => {
      const [markers, executable] = await Promise.all([readBuildMarkers(join(folder, variant)), findInFolder(join(folder, variant))]);
      return markers === undefined || executable === undefined
        ? []
        : [{ variant, tag: markers.version, isKept: markers.isKept === true, executable }];
    }),
  );
  return builds.flat();
}
