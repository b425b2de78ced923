// The public library: named re-exports only. Everything reachable from here runs on Bun and on Node 22 and newer.
export { ERRORS, InstanceExitedError, RouterError, type ErrorCode } from "./errors.ts";
export { buildTinyModel, TINY_SENTENCE, type ModelEntry, type ModelFiles, type ModelId, type ModelKind, type TinyOptions } from "./model/index.ts";
export { Log, type LogLevel, type LogLine } from "./platform/index.ts";
export { createRouter, resolveSettings, type Lease, type LoadOptions, type ModelStatus, type Router, type RouterOptions, type Settings } from "./router/index.ts";
