export { KNOWN_OPTIONS } from "./known-options.ts";
export { OptionTable, optionName, parseOptionsHelp, withoutDashes, type LlamaOption } from "./llama-option.ts";
export { readPresets, unknownKeys, type PresetFile, type PresetOptions } from "./preset-file.ts";
export { TUNING_OPTIONS, wordBeyondTuning } from "./tuning-options.ts";
export { isSecretOption, mergeOptions, presetIni, presetLaunch, type PresetLaunch } from "./preset-launch.ts";
