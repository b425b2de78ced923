export { flattenImage, type GgufFile, type GgufTensor, type GgufValue, type SparseImage, writeGguf } from "./write-gguf.ts";
export { requireGgufStart } from "./foreign-file.ts";
export type { ByteRequest, Parsing } from "./byte-cursor.ts";
export { ggufFacts, labelsOfBeginning, labelsOfFacts, type GgufFacts, type LayerFacts, type Pooling } from "./facts.ts";
export {
  parseGgufBeginning,
  parseGgufHeader,
  type GgufHeader,
  type GgufMetadata,
  type GgufTensorInfo,
  type ParseHeaderOptions,
} from "./parse-header.ts";
