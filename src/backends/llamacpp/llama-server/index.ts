export { describeArgv, toArgv } from "./argv.ts";
export { endLeftovers } from "./end-leftovers.ts";
export { LLAMA_SERVER_ERRORS, type LlamaServerErrorCode } from "./error-codes.ts";
export {
  ExecutableNotFoundError,
  HealthCheckError,
  InvalidOptionsError,
  LlamaProcessError,
  ModelNotFoundError,
  ProcessIoError,
  ServerNotReadyError,
  ServerProcessError,
  StartTimeoutError,
  StartupError,
  UpstreamClientError,
  UpstreamStatusError,
  type IoOperation,
  type LlamaServerErrorJson,
  type StartFailureDetails,
} from "./errors.ts";
export type { ResponseStream } from "./event-stream.ts";
export { InferenceEndpoints, type RawRequestOptions, type RequestOptions, type ServerRequest } from "./inference-endpoints.ts";
export type {
  HealthOptions,
  InferenceProcess,
  ServerEvents,
  ServerFactory,
  ServerState,
  StartOptions,
  StartProgress,
  StopOptions,
} from "./inference-process.ts";
export type {
  ChatChunk,
  ChatCompletion,
  ChatCompletionRequest,
  ChatMessage,
  Completion,
  CompletionRequest,
  DetokenizeRequest,
  DetokenizeResult,
  Embeddings,
  EmbeddingsRequest,
  HealthStatus,
  JsonObject,
  RerankRequest,
  RerankResult,
  ServerProps,
  TokenizeRequest,
  TokenizeResult,
  TokenUsage,
} from "./inference-types.ts";
export { createLlamaServer, LlamaServer } from "./llama-server.ts";
export type { InstallBinariesOptions, InstalledBinary } from "./install-binaries.ts";
export { mergeArgs } from "./merge-args.ts";
export {
  ENGLISH_MESSAGES,
  FIRST_GENERATION_MESSAGES,
  formatError,
  MESSAGE_LANGUAGES,
  type LocalizableError,
  type MessageCatalog,
  type MessageKey,
} from "./messages.ts";
export { GERMAN_MESSAGES } from "./messages-german.ts";
export { FALLBACK_PORT, parseOptions, resolveOptions, type LlamaServerOptions, type ResolvedOptions } from "./options.ts";
export type { OutputLine } from "./output-feed.ts";
export { redactModelPath } from "./redact-model-path.ts";
export { resolveExecutable, type ResolveExecutableOptions } from "./resolve-executable.ts";
export { defaultVariant, detectTarget, executableName, VARIANTS, type TargetTriple } from "./target.ts";
export { withFileLock, type FileLockWait } from "./with-file-lock.ts";
// What the names above speak of, from the folders that have it.
export { pickFreePort, type ExitInfo, type FreePortOptions } from "../../../platform/index.ts";
export { EXECUTABLE as EXEC_NAME } from "../find-executable.ts";
export {
  extractArchive,
  type ExtractOptions,
  type InstallProgress,
  type InstallProgressListener,
  type InstallStage,
} from "../../install/index.ts";
export type { StartFailureReason } from "../../explain-start-failure.ts";
export type { LoadProgress } from "../../wrapped-server.ts";
export type { StageProgress } from "../../../model/index.ts";
