import { RouterError } from "../errors.ts";
import { hasBackend } from "../model/index.ts";

/** Asked before a model is fetched or evicts another: no pull makes one run that has no backend here. */
export function requireBackend({ id, recipe }: { readonly id: string; readonly recipe: string }): void {
  if (hasBackend(recipe)) return;
  throw new RouterError("RECIPE_UNSUPPORTED", `No backend of this machine runs models of the recipe ${recipe} (${id})`);
}
