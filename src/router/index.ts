export { installBinaries } from "./install-binaries.ts";
export { createRouter, type RouterOptions } from "./create-router.ts";
export type { Router } from "./router.ts";
export type { Lease } from "./lease.ts";
// What the edge folders own and the layers above need: they reach past the router into none of them.
export {
  beginUpload,
  findIncompatibleModels,
  pathOfId,
  removeIncompatibleModels,
  type Catalog,
  type CatalogEntry,
  type ModelCaches,
  type UploadedModel,
} from "../catalog/index.ts";
export {
  addApiKey,
  KEY_SCOPES,
  loadOptionsOf,
  matchApiKey,
  readApiKeys,
  RecipeOptions,
  recipeOptionsOf,
  removeApiKey,
  temporaryApiKey,
  type ApiKey,
  type KeyScope,
  type LoadOptions,
  resolveSettings,
  splitArguments,
  saveLogLevel,
  type Flags,
  type Settings,
} from "../config/index.ts";
export { describeProgress, type InstallProgress } from "../backends/index.ts";
export { formatEngineName, parseEngineName, type EngineName } from "./engine-name.ts";
export type { EngineStatus } from "./engine-status.ts";
export type { Engines, InstalledEngine } from "./engines.ts";
export { LogHistory, type LogFilter, type ModelTotals, type RequestRecord } from "../telemetry/index.ts";
export type { LaunchDescription } from "./model-launcher.ts";
export type { ModelRun } from "./model-run.ts";
export type { ModelDetails } from "./model-details.ts";
export type { DownloadStatus } from "../hub/index.ts";
export { filesOf, ModelLibrary } from "./model-library.ts";
export type { ModelStatus } from "./model-status.ts";
export type { SystemReport } from "./system-report.ts";
export type { GpuFacts } from "../platform/system-info/index.ts";
