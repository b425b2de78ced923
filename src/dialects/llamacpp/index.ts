export { explainUseFailure, LlamaCppError, renderLlamaCppError } from "./errors.ts";
export { maskSecrets, renderListedModel, renderRouterProps, type ListedModel, type RouterFacts, type StatusValue } from "./model-list.ts";
export { renderFiles, renderModelEvent } from "./model-events.ts";
