export { checkSource, type SourceRules } from "./check-source.ts";
export { addCorsHeaders, preflight } from "./cors.ts";
export { authorizeArguments } from "./engine-arguments.ts";
export { authorize, callerOf, identify, requireReachable, type Identity, type KnownKeys } from "./identity.ts";
export { isTooDeep } from "./nesting.ts";
export { redactForStrangers, redactionFor, shownName, shownPath } from "./redact.ts";
