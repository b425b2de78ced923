export { buildLlamaCppFromSource, type BuildFromSourceOptions, type InstalledLlamaServer } from "./build-from-source.ts";
