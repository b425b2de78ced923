import type { ModelEntry, ModelFiles } from "../model/index.ts";

/** A model and whether all of its files are on this disk, so that it can be loaded without the network. */
export interface CatalogEntry extends ModelEntry {
  readonly isDownloaded: boolean;
  /** A backend of this machine can run it. Lists leave the others out; looking up, pulling and deleting do not. */
  readonly isRunnable: boolean;
}

/** An entry with its files, for models that are known by their files. */
export interface FoundModel {
  readonly entry: CatalogEntry;
  /** All files, shards in order, projector last; absolute paths. */
  readonly paths: readonly string[];
  readonly files: ModelFiles;
}
