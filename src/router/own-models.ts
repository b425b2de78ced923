import type { FetchByKeeper, FileSet } from "../hub/index.ts";
import type { ModelEntry } from "../model/index.ts";

/** The models that an engine keeps itself, by its own names for them. */
export interface OwnModels {
  /** Fetches a model, unless it is here; with `mayUpgrade` also a newer one. Says how much of it has arrived, 0 to 1. */
  pull(
    tag: string,
    options: { readonly mayUpgrade: boolean; readonly signal: AbortSignal; readonly onFraction: (fraction: number) => void },
  ): Promise<void>;
  remove(tag: string, signal: AbortSignal): Promise<void>;
}

const NEWEST = "newest";
const ANY = "any";
/** Such a model has no commits. */
const COMMIT = "0".repeat(40);

/** A model that FastFlowLM keeps, as one file of the size that the registry tells. */
export function ownSet({ checkpoint, sizeBytes = 0 }: ModelEntry, { mayUpgrade }: { mayUpgrade: boolean }): FileSet {
  const files = [{ path: checkpoint, sizeBytes, content: undefined }];
  return { repo: checkpoint, revision: mayUpgrade ? NEWEST : ANY, commit: COMMIT, files, keeper: "flm" };
}

export function fetchOwn(flm: OwnModels): FetchByKeeper {
  return async ({ repo, revision, files }, { signal, onProgress }) => {
    const [{ path, sizeBytes } = { path: repo, sizeBytes: 0 }] = files;
    const onFraction = (fraction: number): void => onProgress({ path, sizeBytes, bytes: Math.round(sizeBytes * fraction) });
    await flm.pull(repo, { mayUpgrade: revision === NEWEST, signal, onFraction });
    onFraction(1);
  };
}
