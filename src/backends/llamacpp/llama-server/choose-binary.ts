import { archiveFormat, InstallFailedError, type PublishedAsset, type PublishedRelease } from "../../install/index.ts";
import type { TargetTriple } from "./target.ts";

/** The newest release whose tag begins with the prefix and that has files: releases of container images alone have none. */
export function newestRelease(releases: readonly PublishedRelease[], tagPrefix: string): PublishedRelease | undefined {
  const fitting = releases.filter(({ tag, assets }) => tag.startsWith(tagPrefix) && assets.length > 0);
  return fitting.toSorted((a, b) => b.createdAtMs - a.createdAtMs)[0];
}

/**
 * The file of a build, `llama-server--<target>--<variant>` with the extension of an archive, of a program or with none. The segments
 * must be equal: `cuda-12` is not the beginning of `cuda-12.6`.
 * @throws `INSTALL_FAILED` naming what the release has.
 */
export function findBinary({ tag, assets }: PublishedRelease, target: TargetTriple, variant: string): PublishedAsset {
  const wanted = `llama-server--${target}--${variant}`;
  const found = assets.find(({ name }) => `${stem(name)}--`.startsWith(`${wanted}--`));
  if (found !== undefined) return found;
  const names = assets.map(({ name }) => name).join(", ");
  throw new InstallFailedError(`Release ${tag} has no file ${wanted}`, { hint: `It has ${names === "" ? "no files" : names}.` });
}

function stem(name: string): string {
  return archiveFormat(name) === undefined ? name.replace(/\.exe$/i, "") : name.replace(/\.(zip|tar\.gz|tgz|tar\.xz|txz)$/i, "");
}
