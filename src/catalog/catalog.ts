import type { GgufFacts } from "../model/gguf/index.ts";
import type { Deletion, ModelEntry, ModelFiles, PullPlan, PullRequest, RecipePlatform } from "../model/index.ts";
import type { CatalogEntry } from "./catalog-entry.ts";

export interface CatalogOptions {
  /** Folder of `user_models.json` and of the built-in models. */
  readonly cacheDir: string;
  /** Root of the Hugging Face cache. */
  readonly hubCacheDir: string;
  /** Folders of GGUF files; of equal names the first folder's wins. */
  readonly modelsDirs: readonly string[];
  /** A file in the format of `server_models.json` instead of the built-in registry. */
  readonly registryFile?: string | undefined;
  /** What this machine can run; asked once, at the first list. Defaults to llama.cpp only. */
  readonly platform?: (() => Promise<RecipePlatform>) | undefined;
  /** Tags that FastFlowLM has downloaded: it keeps its models itself. */
  readonly installedFlmTags?: (() => Promise<ReadonlySet<string>>) | undefined;
  /** Told of files that are ignored because they cannot be understood. */
  readonly warn?: ((message: string) => void) | undefined;
}

export interface ListOptions {
  /** Also the models that are not on this disk. */
  readonly all?: boolean | undefined;
  /** Also the models that no backend of this machine runs, and the variants of the built-in one that serve tests. */
  readonly unsupported?: boolean | undefined;
}

export interface WriteOptions {
  /** Aborting ends the wait for another process that is writing. */
  readonly signal?: AbortSignal | undefined;
}

/** What is known of a model from its files. */
export interface ModelInspection {
  readonly facts: GgufFacts;
  /** Absolute paths, shards in order, projector last. */
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[];
  /** Size of the projector among them; 0 without one. */
  readonly projectorBytes: number;
}

/** Answers which models exist. Looks at the disk each time, cheaply: changes made by others are seen by the next call. */
export interface Catalog {
  /** Every model that is here and can be run; with `all` also those that are not downloaded. */
  list(options?: ListOptions): Promise<readonly CatalogEntry[]>;
  /**
   * Exact lookup: a built-in name, registry name, `user.NAME`, a name from a models folder, a raw checkpoint (`org/repo[:VARIANT]`,
   * `hf.co/…`), an FLM tag of the registry, the absolute or `./` path of a GGUF file or of a folder with one model. The entry's id is
   * the one name of that model, whatever way it was asked for. `undefined` when no such model can exist. Never touches the network.
   */
  find(id: string): Promise<CatalogEntry | undefined>;
  /** Close names for "did you mean", best first; for a folder with several models their paths. */
  suggest(id: string): Promise<readonly string[]>;
  /**
   * The files on this disk, or `undefined` when not all of them are there. A built-in model is made on first use.
   * @throws {@link RouterError} `NOT_A_GGUF` when a file is cut off or something else than a model.
   */
  locate(entry: ModelEntry): Promise<ModelFiles | undefined>;
  /**
   * Sizes of a model's files and the facts in their headers, or `undefined` when they are not here.
   * @throws {@link RouterError} `NOT_A_GGUF`
   */
  inspect(entry: ModelEntry): Promise<ModelInspection | undefined>;
  /** Absolute paths of a model's files on this disk, whatever they hold: shards in order, projector last; none when they are not all here. Of an entry of a list: as they were then. */
  pathsOf(entry: ModelEntry): Promise<readonly string[]>;
  /** What deleting a model of the hub removes from its cache. */
  deletionOf(entry: ModelEntry): Promise<Deletion>;
  /**
   * What a pull has to fetch, and whether to register it afterwards.
   * @throws {@link RouterError} `INVALID_REQUEST`, `MODEL_NOT_FOUND` or `MODEL_ALREADY_REGISTERED`.
   */
  planPull(request: PullRequest): Promise<PullPlan & { readonly isHere: boolean }>;
  /** Writes a user model into `user_models.json`, where other fields and models stay as they are. */
  register(entry: ModelEntry, options?: WriteOptions): Promise<CatalogEntry>;
  /** Removes a user model from `user_models.json`; whether it was there. Its files stay. */
  unregister(id: string, options?: WriteOptions): Promise<boolean>;
  [Symbol.asyncDispose](): Promise<void>;
}
