export type { ModelId } from "./model-id.ts";
export { kindOfLabels, type ModelEntry, type ModelFiles, type ModelKind, type ModelSource } from "./model-entry.ts";
