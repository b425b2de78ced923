import type { CatalogEntry, LaunchDescription, ModelStatus, Router } from "../../router/index.ts";
import type { Identity } from "../security/index.ts";

interface KeptRow {
  /** Of what a start would look like, when that is told. */
  readonly description: LaunchDescription | undefined;
  /** What was saved for its loads. */
  readonly options: ModelStatus["options"];
  readonly text: string;
}

export interface ModelRowsOptions {
  readonly router: Router;
  /** Whether the row of a model tells what it does and how it would be started; other rows depend on the entry alone. */
  readonly tellsMore: (entry: CatalogEntry) => boolean;
  readonly render: (entry: CatalogEntry, identity: Identity) => Promise<unknown>;
}

/**
 * The rows of a list of models as JSON. A catalogue has thousands of models, hardly any of which do something: the row of one that rests is
 * rendered once for all who may see as much, and again when the catalog gives another entry or a start of it would look different.
 */
export class ModelRows {
  readonly #options: ModelRowsOptions;
  /** By the scopes of their readers. */
  readonly #kept = new Map<string, WeakMap<CatalogEntry, KeptRow>>();

  constructor(options: ModelRowsOptions) {
    this.#options = options;
  }

  async text(entry: CatalogEntry, identity: Identity): Promise<string> {
    const { router, tellsMore, render } = this.#options;
    const kept = this.#keptFor(identity);
    const isMore = tellsMore(entry);
    const rests = !isMore || isAtRest(router, entry);
    const description = isMore && rests ? await router.describeLaunch(entry) : undefined;
    const options = router.savedOptionsOf(entry);
    const row = rests ? kept.get(entry) : undefined;
    if (row !== undefined && row.description === description && row.options === options) return row.text;
    const text = JSON.stringify(await render(entry, identity));
    if (rests) kept.set(entry, { description, options, text });
    return text;
  }

  #keptFor({ scopes }: Identity): WeakMap<CatalogEntry, KeptRow> {
    const key = scopes.join(" ");
    let kept = this.#kept.get(key);
    if (kept === undefined) this.#kept.set(key, (kept = new WeakMap()));
    return kept;
  }
}

/** It does nothing, and has done nothing yet that its row would tell. */
function isAtRest(router: Router, entry: CatalogEntry): boolean {
  const { state, commandLine, failure } = router.runOf(entry);
  return state === "unloaded" && commandLine.length === 0 && failure === undefined;
}
