import { optionName, type OptionTable } from "./llama-option.ts";
import type { PresetOptions } from "./preset-file.ts";

/** What the options of one model mean to the router: some are its own business, the others go to the engine. */
export interface PresetLaunch {
  /** Path of the model's first file. */
  readonly modelPath: string | undefined;
  readonly projectorPath: string | undefined;
  readonly isProjectorOff: boolean;
  /** `org/repo` or `org/repo:VARIANT` on the hub. */
  readonly checkpoint: string | undefined;
  /** The same of the draft model, which the engine finds itself. */
  readonly draftCheckpoint: string | undefined;
  /** 0 for the length that the model was trained with. */
  readonly contextTokens: number | undefined;
  /** `embeddings` or `reranking`, when the engine shall start in that mode. */
  readonly labels: readonly string[];
  readonly aliases: readonly string[];
  readonly tags: readonly string[];
  readonly isLoadedOnStartup: boolean;
  readonly stopTimeoutMs: number | undefined;
  readonly hidesCacheEntries: boolean;
  /** Flags with their values, one group per option, for the engine's command line. */
  readonly flags: readonly (readonly string[])[];
}

/** Options that the router reads itself, or that would take the engine away from it: its address, keys, logs, and a router inside. */
const NOT_FOR_THE_ENGINE: ReadonlySet<string> = new Set(
  [
    ["load-on-startup", "stop-timeout", "dedup-cache-models"],
    ["model", "model-url", "docker-repo", "mmproj", "mmproj-url", "mmproj-auto", "hf-repo", "hf-file", "hf-token", "offline"],
    ["ctx-size", "embeddings", "reranking", "alias", "tags"],
    ["host", "port", "reuse-port", "api-prefix", "api-key", "api-key-file", "ssl-key-file", "ssl-cert-file", "log-file"],
    ["models-dir", "models-preset", "models-max", "models-autoload"],
  ].flat(),
);

/** One set of options over another one. */
export function mergeOptions(below: PresetOptions, above: PresetOptions): PresetOptions {
  return new Map([...below, ...above]);
}

export function presetLaunch(options: PresetOptions, table: OptionTable): PresetLaunch {
  const text = (name: string) => options.get(name) || undefined;
  const isOn = (name: string) => options.get(name) === "true";
  const context = text("ctx-size");
  const stopTimeout = text("stop-timeout");
  const file = text("hf-file");
  const repo = text("hf-repo");
  return {
    modelPath: text("model"),
    projectorPath: text("mmproj"),
    isProjectorOff: options.get("mmproj-auto") === "false",
    checkpoint: repo !== undefined && file !== undefined ? `${repo.split(":", 1)[0]}:${file}` : repo,
    draftCheckpoint: text("spec-draft-hf") ?? text("hf-repo-draft"),
    contextTokens: context === undefined ? undefined : Number(context),
    labels: [...(isOn("embeddings") ? ["embeddings"] : []), ...(isOn("reranking") ? ["reranking"] : [])],
    aliases: commaList(text("alias")),
    tags: commaList(text("tags")),
    isLoadedOnStartup: isOn("load-on-startup"),
    stopTimeoutMs: stopTimeout === undefined ? undefined : Number(stopTimeout) * 1000,
    hidesCacheEntries: isOn("dedup-cache-models"),
    flags: [...options].flatMap(([name, value]) => flagOf(name, value, table)),
  };
}

function flagOf(name: string, value: string, table: OptionTable): string[][] {
  const option = NOT_FOR_THE_ENGINE.has(name) ? undefined : table.find(name)?.option;
  if (option === undefined || optionName(option) !== name) return [];
  const flag = option.flags.at(-1) ?? "";
  if (option.values > 0) return [[flag, value]];
  if (value === "true") return [[flag]];
  const negation = option.negations.at(-1);
  return negation === undefined ? [] : [[negation]];
}

function commaList(text = ""): string[] {
  const parts = text.split(",").map((part) => part.trim());
  return [...new Set(parts.filter((part) => part !== ""))].toSorted();
}

/** Options that hold a secret, or a text with one in it. */
const SECRET: ReadonlySet<string> = new Set(["api-key", "hf-token", "mcp-servers-json"]);

export function isSecretOption(name: string): boolean {
  return SECRET.has(name);
}

const ROUTERS_OWN: ReadonlySet<string> = new Set(
  "host port alias tags api-key api-key-file ssl-key-file ssl-cert-file log-file".split(" "),
);

/** The options as a section of a preset file, in llama.cpp's form, less its router's own ones and less secrets. */
export function presetIni(name: string, options: PresetOptions): string {
  const lines = [...options].filter(([key]) => !ROUTERS_OWN.has(key) && !key.startsWith("models-")).map(iniLine);
  return `[${name}]\n${lines.join("")}\n`;
}

function iniLine([key, value]: [string, string]): string {
  return `${key} = ${isSecretOption(key) ? "***" : value.replaceAll("\n", "\\\n")}\n`;
}
