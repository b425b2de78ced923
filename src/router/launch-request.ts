import type { LaunchRequest } from "../backends/index.ts";
import { splitArguments, type LoadOptions, type Settings } from "../config/index.ts";
import { kindOfLabels, type ModelEntry, type ModelFiles } from "../model/index.ts";
import type { PresetLaunch } from "../model/presets/index.ts";

export interface LaunchSources {
  readonly files: ModelFiles;
  /** What one load asks for. */
  readonly options: LoadOptions;
  readonly preset: PresetLaunch | undefined;
  readonly settings: Pick<Settings, "contextTokens" | "isContextGiven" | "llamacppArgs">;
}

/**
 * What an engine is asked to serve: a load's own options over what the user said on the command line, over the model's preset, over the
 * defaults.
 */
export function launchRequest(entry: ModelEntry, { files, options, preset, settings }: LaunchSources): LaunchRequest {
  const isLlamaCpp = entry.recipe === "llamacpp";
  const given = settings.isContextGiven ? settings.contextTokens : undefined;
  return {
    model: entry.id,
    files,
    kind: kindOfLabels(entry.labels),
    contextTokens: options.contextTokens ?? given ?? preset?.contextTokens ?? settings.contextTokens,
    presetFlags: isLlamaCpp ? preset?.flags : undefined,
    extraArgs: [...(isLlamaCpp ? settings.llamacppArgs : []), ...splitArguments(options.args ?? "")],
  };
}
