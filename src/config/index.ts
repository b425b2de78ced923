export { addApiKey, KEY_SCOPES, matchApiKey, readApiKeys, removeApiKey, temporaryApiKey, type ApiKey, type KeyScope } from "./api-keys.ts";
export { LLAMACPP_BACKENDS, resolveSettings, type Flags, type LlamaCppBackend, type Settings } from "./settings.ts";
export { splitArguments } from "../platform/index.ts";
export { saveLogLevel } from "./user-settings.ts";
