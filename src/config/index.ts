export { directoriesFrom, type Directories } from "./directories.ts";
export { LLAMACPP_BACKENDS, resolveSettings, type Flags, type LlamaCppBackend, type Settings } from "./settings.ts";
export { splitArguments } from "./split-arguments.ts";
export { saveLogLevel } from "./user-settings.ts";
