import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The two marker files of a finished installation; neither ends in a newline, for other programs compare their whole content. */
export interface BuildMarkers {
  /** `version.txt`: the release tag. */
  readonly version: string;
  /** `backend.txt`: the variant, such as `vulkan` or `from-source`. */
  readonly backend: string;
}

export async function writeBuildMarkers(folder: string, markers: BuildMarkers): Promise<void> {
  await writeFile(join(folder, "backend.txt"), markers.backend);
  await writeFile(join(folder, "version.txt"), markers.version);
}

/** Markers of an installation; `undefined` when one of them is missing, as in a folder that no finished installation made. */
export async function readBuildMarkers(folder: string): Promise<BuildMarkers | undefined> {
  const [version, backend] = await Promise.all([readMarker(folder, "version.txt"), readMarker(folder, "backend.txt")]);
  return version === undefined || backend === undefined ? undefined : { version, backend };
}

async function readMarker(folder: string, name: string): Promise<string | undefined> {
  try {
    const text = (await readFile(join(folder, name), "utf8")).trim();
    return text === "" ? undefined : text;
  } catch {
    return undefined;
  }
}
