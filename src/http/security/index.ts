export { checkSource, type SourceRules } from "./check-source.ts";
export { addCorsHeaders, preflight } from "./cors.ts";
export { authorize, callerOf, identify, requireReachable, type Identity, type KnownKeys } from "./identity.ts";
export { isTooDeep } from "./nesting.ts";
export { redactFor, redactForStrangers } from "./redact.ts";
