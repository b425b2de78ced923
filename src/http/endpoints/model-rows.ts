import type { CatalogEntry, LaunchDescription, Router } from "../../router/index.ts";
import type { Identity } from "../security/index.ts";

interface KeptRow {
  /** Of what a start would look like, when that is told. */
  readonly description: LaunchDescription | undefined;
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
 * rendered once, and again when the catalog gives another entry or a start of it would look different.
 */
export class ModelRows {
  readonly #options: ModelRowsOptions;
  readonly #forAdmins = new WeakMap<CatalogEntry, KeptRow>();
  readonly #forOthers = new WeakMap<CatalogEntry, KeptRow>();

  constructor(options: ModelRowsOptions) {
    this.#options = options;
  }

  async text(entry: CatalogEntry, identity: Identity): Promise<string> {
    const { router, tellsMore, render } = this.#options;
    const kept = identity.scopes.includes("admin") ? this.#forAdmins : this.#forOthers;
    const isMore = tellsMore(entry);
    const rests = !isMore || isAtRest(router, entry);
    const description = isMore && rests ? await router.describeLaunch(entry) : undefined;
    const row = rests ? kept.get(entry) : undefined;
    if (row !== undefined && row.description === description) return row.text;
    const text = JSON.stringify(await render(entry, identity));
    if (rests) kept.set(entry, { description, text });
    return text;
  }
}

/** It does nothing, and has done nothing yet that its row would tell. */
function isAtRest(router: Router, entry: CatalogEntry): boolean {
  const { state, commandLine, failure } = router.runOf(entry);
  return state === "unloaded" && commandLine.length === 0 && failure === undefined;
}
