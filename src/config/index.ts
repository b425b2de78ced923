export { addApiKey, KEY_SCOPES, matchApiKey, readApiKeys, removeApiKey, temporaryApiKey, type ApiKey, type KeyScope } from "./api-keys.ts";
export { resolveSettings, type Flags, type Settings } from "./settings.ts";
export { splitArguments } from "../platform/index.ts";
export { saveLogLevel } from "./user-settings.ts";
export { loadOptionsOf, RecipeOptions, recipeOptionsOf, sameOptions, SavedOptions, type LoadOptions } from "./recipe-options.ts";
