import type { FileProgress } from "../../model/index.ts";
import { renderFiles } from "./model-events.ts";

/** The words of llama.cpp's router for what a model does. */
export type StatusValue = "unloaded" | "loading" | "loaded" | "sleeping" | "downloading" | "downloaded";

/** What llama.cpp's clients want to know of a model. */
export interface ListedModel {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly tags: readonly string[];
  readonly status: StatusValue;
  /** The engine's command line: the last one, or the one that a load would use; port 0 before the first. Secrets are masked. */
  readonly args: readonly string[];
  /** The options of the model as a section of a preset file. */
  readonly preset: string;
  /** How the last run ended, when it ended by itself. */
  readonly failure?: { readonly exitCode: number; readonly message: string } | undefined;
  readonly download?: readonly FileProgress[] | undefined;
  readonly source: "cache" | "models_dir" | "preset";
  readonly isRemovable: boolean;
  readonly seesImages: boolean;
  readonly hearsAudio: boolean;
  /** The engine's own entry of the model while it runs. */
  readonly info?: Readonly<Record<string, unknown>> | undefined;
}

/** An entry of `GET /models` as llama.cpp's router gives it; what the engine says of the model itself is merged in. */
export function renderListedModel(model: ListedModel, createdSeconds: number): Record<string, unknown> {
  const input = ["text", ...(model.seesImages ? ["image"] : []), ...(model.hearsAudio ? ["audio"] : [])];
  return {
    ...model.info,
    id: model.id,
    aliases: model.aliases,
    tags: model.tags,
    object: "model",
    owned_by: "llamacpp",
    created: createdSeconds,
    status: renderStatus(model),
    architecture: { input_modalities: input, output_modalities: ["text"] },
    source: model.source,
    can_remove: model.isRemovable,
  };
}

function renderStatus({ status, args, preset, failure, download }: ListedModel): Record<string, unknown> {
  return {
    value: status,
    args,
    preset,
    // Beyond llama.cpp's two fields the reason, so that nobody has to look into a log.
    ...(failure === undefined ? {} : { failed: true, exit_code: failure.exitCode, message: failure.message }),
    ...(download === undefined ? {} : { progress: renderFiles(download) }),
  };
}

const SECRETS: readonly string[] = ["--api-key", "--hf-token", "-hft", "--mcp-servers-json"];

/** A command line without the values that open doors. */
export function maskSecrets(args: readonly string[]): string[] {
  return args.map((word, i) => {
    const flag = word.split("=", 1)[0] ?? word;
    if (flag !== word && SECRETS.includes(flag)) return `${flag}=***`;
    return SECRETS.includes(args[i - 1] ?? "") ? "***" : word;
  });
}

export interface RouterFacts {
  /** How many models can be loaded; 0 for any number. */
  readonly maxInstances: number;
  readonly isAutoloadOn: boolean;
  /** `b<build>-<commit>` of the engine. */
  readonly buildInfo: string;
}

/** `GET /props` of a router, which has no model of its own: the fields that every client expects have llama.cpp's own dummies. */
export function renderRouterProps({ maxInstances, isAutoloadOn, buildInfo }: RouterFacts): Record<string, unknown> {
  return {
    role: "router",
    max_instances: maxInstances,
    models_autoload: isAutoloadOn,
    model_alias: "llama-server",
    model_path: "none",
    default_generation_settings: { params: null, n_ctx: 0 },
    ui_settings: {},
    build_info: buildInfo,
    cors_proxy_enabled: false,
  };
}
