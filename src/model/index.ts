export type { ModelId } from "./model-id.ts";
export { kindOfLabels, type ModelEntry, type ModelFiles, type ModelKind, type ModelSource } from "./model-entry.ts";
export { isRepoId, isSafeRepoPath, joinCheckpoint, parseHubCheckpoint, splitCheckpoint, type HubCheckpoint } from "./checkpoint.ts";
export { asNamed } from "./as-named.ts";
export { closeNames } from "./close-names.ts";
export { deletableFiles, type Deletion, type SnapshotFile, type SnapshotFiles } from "./deletable-files.ts";
export { estimateMemory, type EstimateOptions, type MemoryEstimate } from "./estimate-memory.ts";
export { formatBytes } from "./format-bytes.ts";
export {
  fileNameOf,
  ggufStem,
  isGgufPath,
  isProjectorName,
  isServableGguf,
  parseShardName,
  quantTag,
  shardPaths,
  type ShardName,
} from "./gguf-file-name.ts";
export {
  groupGgufFiles,
  leadingModel,
  projectorOf,
  projectorOfFolder,
  type GgufGroup,
  type GroupedFiles,
  type ListedFile,
} from "./group-gguf-files.ts";
export {
  blobLinkTarget,
  blobPath,
  blobsFolder,
  isCommitId,
  isSafeBlobName,
  isSafeRevision,
  lockPath,
  noExistPath,
  normalizeEtag,
  partialBlobPath,
  refPath,
  refsFolder,
  repoFolder,
  repoOfFolder,
  snapshotPath,
  snapshotsFolder,
} from "./hub-cache-layout.ts";
export type { SparseImage } from "./gguf/index.ts";
export {
  COMPANION_FILES,
  listVariants,
  pathsOfVariant,
  requireVariant,
  requireWhole,
  selectVariant,
  type VariantChoice,
  type VariantFiles,
  type VariantOffer,
  type VariantQuery,
} from "./select-variant.ts";
export type { FileProgress, ModelEvent, StageProgress } from "./model-event.ts";
export { planPull, registrationFields, type PullPlan, type PullRequest } from "./plan-pull.ts";
export { hasBackend, isRecipeRunnable, RECIPES, type RecipePlatform } from "./recipe-support.ts";
export { selectComplete } from "./select-complete.ts";
