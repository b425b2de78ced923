import type { Catalog, CatalogEntry } from "../catalog/index.ts";
import { RouterError } from "../errors.ts";
import { asNamed, type ModelId } from "../model/index.ts";
import { modelsUsing, requireDeletable, type DeletedModel } from "./delete-model.ts";
import type { DeletionGate } from "./deletion-gate.ts";
import type { ModelLibrary } from "./model-library.ts";
import type { ResidencyLoop } from "./residency-loop.ts";

export interface DeleteNamedOptions {
  readonly catalog: Catalog;
  readonly library: ModelLibrary;
  readonly gate: DeletionGate;
  readonly loop: Pick<ResidencyLoop, "instances" | "unload">;
  /** Loaded models that use the files are unloaded first; otherwise they are in the way. */
  readonly unload: boolean;
  readonly signal: AbortSignal;
}

/** Deletes what a name stands for, with no engine running on the files. */
export async function deleteNamed(name: string, options: DeleteNamedOptions): Promise<DeletedModel & { readonly id: ModelId }> {
  const { catalog, library, gate, loop, unload, signal } = options;
  const entry = await findForDeletion(name, { catalog, library });
  if (entry.recipe !== "flm") requireDeletable(entry); // Before anything is unloaded for it.
  return await gate.close(entry, async () => {
    // Behind the closed gate: no engine can start between this look and the deletion.
    const instances = loop.instances.map((instance) => instance.model);
    const loaded = await modelsUsing(entry, instances, catalog);
    if (loaded.length > 0 && !unload) {
      throw new RouterError("MODEL_IN_USE", `${loaded.join(" and ")} is loaded`, {
        hint: "Unload it first, or delete it with `unload` (lemonade delete --unload).",
      });
    }
    await Promise.all(loaded.map(async (model) => await loop.unload(model)));
    return { id: entry.id, ...(await library.delete(entry, signal)) };
  });
}

/** Also a model that will only be registered when its download is done. */
async function findForDeletion(name: string, { catalog, library }: Pick<DeleteNamedOptions, "catalog" | "library">): Promise<CatalogEntry> {
  const known = await catalog.find(name);
  const entry = known ? asNamed(name, known) : await library.awaited(name);
  if (entry !== undefined) return { isDownloaded: false, isRunnable: true, ...entry };
  const close = await catalog.suggest(name);
  // Clients of earlier servers look for "is not supported".
  throw new RouterError(
    "MODEL_NOT_REGISTERED",
    `The model ${JSON.stringify(name)} is not supported: there is none of that name to delete`,
    {
      hint: close.length === 0 ? undefined : `Did you mean ${close.join(" or ")}?`,
    },
  );
}
