import { InstallFailedError, unverifiedWarning, type PublishedAsset, type ReleaseHost } from "../../install/index.ts";
import type { ReleaseAsset, ReleaseChoice } from "./release-table.ts";

export interface FetchPlan {
  readonly name: string;
  readonly url: string;
  readonly sha256: string | undefined;
}

export interface ResolvedAssets {
  readonly plans: readonly FetchPlan[];
  readonly warnings: readonly string[];
}

/**
 * Where the files of a release are. The API is asked only when a digest is not known beforehand, and when it does not answer either,
 * the addresses are known all the same: then the files come without digest, as they always did before digests were published, and a
 * warning says so.
 * @throws `INSTALL_FAILED` when the release or one of its files does not exist; names what there is.
 */
export async function resolveAssets(release: ReleaseChoice, host: ReleaseHost, signal?: AbortSignal): Promise<ResolvedAssets> {
  const { repository, tag, assets } = release;
  const direct = assets.map(({ name, sha256 }) => ({ name, sha256, url: host.downloadUrl(repository, tag, name) }));
  if (direct.every(({ sha256 }) => sha256 !== undefined)) return { plans: direct, warnings: [] };
  let published: readonly PublishedAsset[] | undefined;
  try {
    published = await host.listAssets(repository, tag, signal);
  } catch (error) {
    if (!(error instanceof InstallFailedError)) throw error;
    return { plans: direct, warnings: [unverifiedWarning(`llama.cpp ${tag}`, error)] };
  }
  if (published === undefined) {
    throw new InstallFailedError(`There is no release ${tag} of ${repository}`, { hint: `See https://github.com/${repository}/releases` });
  }
  const files = published;
  return { plans: assets.map((asset) => findAsset(asset, files, release)), warnings: [] };
}

function findAsset(wanted: ReleaseAsset, published: readonly PublishedAsset[], { repository, tag, variant }: ReleaseChoice): FetchPlan {
  const exact = published.find(({ name }) => name === wanted.name);
  const found = exact ?? published.findLast(({ name }) => wanted.pattern.test(name));
  if (found !== undefined) return { name: found.name, url: found.url, sha256: wanted.sha256 ?? found.sha256 };
  const similar = published.map(({ name }) => name).filter((name) => name.includes(variant));
  const hint = similar.length === 0 ? "Try another variant or version." : `It has ${similar.join(", ")}.`;
  throw new InstallFailedError(`Release ${tag} of ${repository} has no file ${wanted.name}`, { hint });
}
