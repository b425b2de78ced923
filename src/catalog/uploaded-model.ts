import { RouterError } from "../errors.ts";
import {
  fileNameOf,
  groupGgufFiles,
  projectorOfFolder,
  RECIPES,
  repoFolder,
  requireVariant,
  type ListedFile,
  type ModelEntry,
  type ModelId,
} from "../model/index.ts";
import { USER_PREFIX } from "./user-models.ts";

/** What a client says of the files that it uploads. */
export interface UploadedModel {
  /** `user.NAME`. */
  readonly model: string;
  readonly recipe: string;
  /** Which of several GGUF files is the model; by default the first one. */
  readonly variant?: string | undefined;
  /** Name of the projector's file. */
  readonly mmproj?: string | undefined;
  readonly reasoning?: boolean | undefined;
  readonly vision?: boolean | undefined;
}

/** FastFlowLM fetches its models itself, and Lemonade takes no files for `oga-igpu`. */
const NOT_UPLOADED: readonly string[] = ["flm", "oga-igpu"];

/** Recipes whose models Lemonade takes as files. */
const UPLOAD_RECIPES: readonly string[] = RECIPES.filter((recipe) => !NOT_UPLOADED.includes(recipe));

/** Letters of any language, but nothing that a file system or a shell takes for more than a letter. */
const NAME = /^[\p{L}\p{N}_](?:[\p{L}\p{N} ._+@()-]{0,126}[\p{L}\p{N}_+)])?$/u;

/**
 * The folder that an uploaded model gets below the cache's root.
 * @throws {@link RouterError} `INVALID_REQUEST` for a name that cannot be one.
 */
export function uploadFolder(model: string): string {
  const name = model.slice(USER_PREFIX.length);
  if (!model.startsWith(USER_PREFIX) || name === "")
    throw invalid(`The name of an uploaded model must begin with ${USER_PREFIX}, and ${JSON.stringify(model)} does not`);
  if (!name.split("/").every((part) => NAME.test(part)))
    throw invalid(`${JSON.stringify(model)} cannot be the name of a model: use letters, digits, dots and dashes`);
  return repoFolder(name);
}

/** @throws {@link RouterError} `INVALID_REQUEST` for a recipe whose models are not uploaded. */
export function checkUploadRecipe(recipe: string): void {
  if (!UPLOAD_RECIPES.includes(recipe))
    throw invalid(`The recipe must be one of ${UPLOAD_RECIPES.join(", ")}, and is ${JSON.stringify(recipe)}`);
}

/** A name that Windows keeps for a device, whatever its extension. */
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;
const MAX_DEPTH = 8;

/**
 * Where an uploaded file goes inside its model's folder: its path as a browser tells it, without the folder that was chosen there.
 * @throws {@link RouterError} `INVALID_REQUEST` for a path that could lead elsewhere, on any system.
 */
export function uploadPath(given: string): string {
  const parts = given.split("/");
  const path = parts.length > 1 ? parts.slice(1) : parts;
  if (path.length <= MAX_DEPTH && parts.every(isPlainName)) return path.join("/");
  throw invalid(`${JSON.stringify(given)} cannot be the path of an uploaded file`);
}

function isPlainName(name: string): boolean {
  const isShort = name !== "" && Buffer.byteLength(name) <= 255;
  // oxlint-disable-next-line no-control-regex -- They are what is refused.
  return isShort && !/[\\:*?"<>|\0-\x1f\x7f]|^\.\.?$|[. ]$/.test(name) && !DEVICE.test(name);
}

/**
 * The entry of an uploaded model: its checkpoint is the path of its first file below the cache's root.
 * @throws {@link RouterError} `INVALID_REQUEST` when the files hold no such model, `VARIANT_NOT_FOUND`, `VARIANT_AMBIGUOUS`.
 */
export function uploadedEntry(request: UploadedModel, files: readonly ListedFile[]): ModelEntry {
  const { model, recipe, reasoning = false, vision = false } = request;
  const folder = uploadFolder(model);
  const { primary, mmproj } = recipe === "llamacpp" ? chooseGguf(request, files) : { primary: chooseOga(model, files) };
  return {
    id: model as ModelId,
    checkpoint: primary === "" ? folder : `${folder}/${primary}`,
    recipe,
    labels: ["custom", ...(reasoning ? ["reasoning"] : []), ...(vision ? ["vision"] : [])],
    source: "user",
    suggested: true,
    mmproj: mmproj === undefined ? undefined : `${folder}/${mmproj}`,
  };
}

function chooseGguf(
  { model, variant, mmproj, vision }: UploadedModel,
  files: readonly ListedFile[],
): { primary: string; mmproj?: string | undefined } {
  const sorted = files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const grouped = groupGgufFiles(sorted);
  if (grouped.models.length === 0) throw invalid(`Among the files of ${model} is no model: a .gguf file is needed`);
  const { primary } = requireVariant(model, sorted, { variant: variant || undefined });
  const group = grouped.models.find(({ files }) => files.some(({ path }) => path === primary));
  if (group !== undefined && group.missing.length > 0)
    throw invalid(`Of the shards of ${model} some are missing: ${group.missing.join(", ")}`);
  if (!mmproj) return { primary, mmproj: vision === true ? projectorOfFolder(grouped)?.path : undefined };
  const projector = sorted.find(({ path }) => path === mmproj || fileNameOf(path) === mmproj);
  if (projector === undefined) throw invalid(`Among the files of ${model} is no projector ${JSON.stringify(mmproj)}`);
  return { primary, mmproj: projector.path };
}

/** The folder of a model for ONNX Runtime GenAI; empty for the model's own. */
function chooseOga(model: string, files: readonly ListedFile[]): string {
  const [config] = files.filter(({ path }) => fileNameOf(path) === "genai_config.json").toSorted((a, b) => a.path.length - b.path.length);
  if (config === undefined) throw invalid(`Among the files of ${model} is no genai_config.json`);
  return config.path.split("/").slice(0, -1).join("/");
}

function invalid(message: string): RouterError {
  return new RouterError("INVALID_REQUEST", message);
}
