import { RouterError } from "../errors.ts";
import { closeNames } from "./close-names.ts";
import { joinCheckpoint, parseHubCheckpoint } from "./checkpoint.ts";
import { repoOfFolder } from "./hub-cache-layout.ts";
import type { ModelEntry } from "./model-entry.ts";
import type { ModelId } from "./model-id.ts";
import { RECIPES } from "./recipe-support.ts";

/** What a client asks to be fetched; only the name is needed for a model that is known already. */
export interface PullRequest {
  readonly model: string;
  readonly checkpoint?: string | undefined;
  readonly recipe?: string | undefined;
  readonly mmproj?: string | undefined;
  readonly reasoning?: boolean | undefined;
  readonly vision?: boolean | undefined;
  readonly embeddings?: boolean | undefined;
  readonly reranking?: boolean | undefined;
}

export interface PullPlan {
  readonly entry: ModelEntry;
  /** The model is to be registered once its files are here: before that, a failed download would leave a name without a model. */
  readonly isNew: boolean;
}

const LABELS = ["reasoning", "vision", "embeddings", "reranking"] as const;

/**
 * Decides what a pull means, by the rules that Lemonade has.
 * @param known - The model of that name, if there is one.
 * @param close - Names like it, for when there is none.
 * @throws {@link RouterError} `INVALID_REQUEST`, `MODEL_NOT_FOUND` or `MODEL_ALREADY_REGISTERED`.
 */
export function planPull(request: PullRequest, known: ModelEntry | undefined, close: readonly string[] = []): PullPlan {
  if (request.embeddings && request.reranking) {
    throw invalid("A model turns texts into vectors (embedding) or orders documents (reranking), and cannot be registered for both");
  }
  if (known) {
    refuseDifferences(request, known);
    // A raw checkpoint has no settings of its own, so that a projector is one more file of it.
    const isRaw = known.source === "hub-cache" && request.mmproj;
    return { entry: isRaw ? { ...known, mmproj: request.mmproj } : known, isNew: false };
  }
  const { model, checkpoint, recipe, mmproj } = request;
  if (model === "user.") throw invalid("The name user. lacks what comes behind the dot", "For example: user.MyModel.");
  if (!model.startsWith("user.")) {
    if (!checkpoint && !recipe) {
      const hint = close.length === 0 ? undefined : `Did you mean ${close.join(" or ")}?`;
      throw new RouterError("MODEL_NOT_FOUND", `There is no model named ${JSON.stringify(model)}`, { hint });
    }
    throw invalid(`A new model must be in the user namespace, and ${JSON.stringify(model)} is not`, `Name it user.${model}.`);
  }
  if (!checkpoint || !recipe) {
    throw invalid(
      `${model} is not registered; both a checkpoint and a recipe are needed to register it`,
      `For example: lemonade pull ${model} --checkpoint org/repo-GGUF:Q4_K_M --recipe llamacpp`,
    );
  }
  if (!RECIPES.includes(recipe)) {
    const [close] = closeNames(recipe, RECIPES, { limit: 1 });
    const didYouMean = close === undefined ? "" : `Did you mean ${close}? `;
    throw invalid(`There is no recipe ${JSON.stringify(recipe)}`, `${didYouMean}The recipes are ${RECIPES.join(", ")}.`);
  }
  if (model.includes("/")) {
    throw invalid(`A name has no slash, and ${JSON.stringify(model)} has one`, `Name it ${model.replaceAll("/", "-")}.`);
  }
  if (/^\.{1,2}(?:[/\\]|$)/.test(checkpoint)) {
    throw invalid(`The checkpoint ${checkpoint} means another file in another folder`, "Write the absolute path.");
  }
  const isHubCheckpoint = !/^(?:\/|[A-Za-z]:[\\/])/.test(checkpoint);
  if (recipe === "llamacpp" && isHubCheckpoint && /gguf/i.test(checkpoint) && !withoutHost(checkpoint).includes(":")) {
    throw invalid(
      `The checkpoint ${checkpoint} names no variant, which GGUF repositories need`,
      `Write ${checkpoint}:QUANT, ${checkpoint}:FILE.gguf, ${checkpoint}:FOLDER or ${checkpoint}:* for all files.`,
    );
  }
  const entry: ModelEntry = {
    id: model as ModelId,
    checkpoint,
    recipe,
    labels: ["custom", ...LABELS.filter((label) => request[label])],
    source: "user",
    suggested: true,
    mmproj: mmproj || undefined,
  };
  return { entry, isNew: true };
}

const invalid = (message: string, hint?: string): RouterError => new RouterError("INVALID_REQUEST", message, { hint });

const withoutHost = (checkpoint: string): string => checkpoint.replace(/^https?:\/\//i, "");

/** The value of `user_models.json` that registers a model. */
export function registrationFields({ checkpoint, recipe, labels, mmproj }: ModelEntry): Readonly<Record<string, unknown>> {
  const isUploaded = repoOfFolder(checkpoint) !== undefined;
  return { checkpoint, recipe, suggested: true, labels, ...(mmproj ? { mmproj } : {}), ...(isUploaded ? { source: "local_upload" } : {}) };
}

function refuseDifferences(request: PullRequest, known: ModelEntry): void {
  const differences: string[] = [];
  const compare = (name: string, wanted: string | undefined, stored: string | undefined): void => {
    if (wanted && wanted !== stored) differences.push(`${name} is ${stored ?? "not set"}, not ${wanted}`);
  };
  const isSameCheckpoint = canonical(request.checkpoint) === canonical(known.checkpoint);
  if (!isSameCheckpoint) compare("checkpoint", request.checkpoint, known.checkpoint);
  compare("recipe", request.recipe, known.recipe);
  // Flags with a raw checkpoint are wishes, not contradictions.
  if (known.source === "registry" || known.source === "user") {
    compare("mmproj", request.mmproj, known.mmproj);
    for (const label of LABELS) if (request[label] && !known.labels.includes(label)) differences.push(`${label} is not set`);
  }
  if (differences.length === 0) return;
  throw new RouterError(
    "MODEL_ALREADY_REGISTERED",
    `${known.id} is already registered with a different configuration: ${differences.join("; ")}`,
    {
      hint: known.source === "user" ? `Delete it first: lemonade delete ${known.id}` : "Choose another name beginning with user.",
    },
  );
}

const canonical = (checkpoint: string | undefined): string | undefined => {
  const parsed = checkpoint === undefined ? undefined : parseHubCheckpoint(checkpoint);
  return parsed ? joinCheckpoint(parsed) : checkpoint;
};
