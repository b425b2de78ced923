/** Every recipe that a registry names: Lemonade's programs share one, and each of them runs some. */
export const RECIPES: readonly string[] = ["llamacpp", "flm", "oga-cpu", "oga-hybrid", "oga-npu", "oga-igpu"];

/** Recipes that this program has a backend for; whether this machine has what it needs is another question. */
const RUN_HERE: readonly string[] = ["llamacpp", "flm"];

/** Whether this program has a backend for a recipe, on whatever machine. */
export function hasBackend(recipe: string): boolean {
  return RUN_HERE.includes(recipe);
}

export interface RecipePlatform {
  /** As `process.platform` names it. */
  readonly os: string;
  /** A neural processing unit that FastFlowLM can use. */
  readonly hasNpu: boolean;
  /** Everything counts as runnable, for people who want to see the whole registry. */
  readonly isFilterOff?: boolean | undefined;
}

/**
 * Whether this machine can run a recipe with the backends of this program. Models of other recipes are left out of lists, but can
 * still be looked up, pulled and deleted: a registry is shared with programs that run more.
 */
export function isRecipeRunnable(recipe: string, { os, hasNpu, isFilterOff = false }: RecipePlatform): boolean {
  if (isFilterOff || recipe === "llamacpp") return true;
  return recipe === "flm" && hasNpu && os !== "darwin";
}
