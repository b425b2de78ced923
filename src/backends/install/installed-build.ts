import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The marker files of a finished installation; none ends in a newline, for other programs compare their whole content. */
export interface BuildMarkers {
  /** `version.txt`: the release tag. */
  readonly version: string;
  /** `backend.txt`: the variant, such as `vulkan` or `from-source`. */
  readonly backend: string;
  /** `kept.txt`: the user asked for this version, which no moved pin replaces. */
  readonly isKept?: boolean | undefined;
}

export async function writeBuildMarkers(folder: string, markers: BuildMarkers): Promise<void> {
  if (markers.isKept === true) await writeFile(join(folder, "kept.txt"), markers.version);
  await writeFile(join(folder, "backend.txt"), markers.backend);
  await writeFile(join(folder, "version.txt"), markers.version);
}

/** Markers of an installation; `undefined` when one of them is missing, as in a folder that no finished installation made. */
export async function readBuildMarkers(folder: string): Promise<BuildMarkers | undefined> {
  const [version, backend, kept] = await Promise.all(["version.txt", "backend.txt", "kept.txt"].map((name) => readMarker(folder, name)));
  return version === undefined || backend === undefined ? undefined : { version, backend, isKept: kept === version };
}

async function readMarker(folder: string, name: string): Promise<string | undefined> {
  try {
    const text = (await readFile(join(folder, name), "utf8")).trim();
    return text === "" ? undefined : text;
  } catch {
    return undefined;
  }
}
