// What runs engines and knows which are here: imported with the first model or question that needs one, not at a start.
export {
  createEmbeddedBackend,
  EMBEDDED_ENGINE_PINS,
  embeddedEngineFolder,
  findEmbeddedEngine,
  installEmbeddedEngine,
  uninstallEmbeddedEngine,
} from "../embedded/index.ts";
export { createFlmBackend } from "../flm/index.ts";
export { createLlamaCppBackend, type LlamaCppBackend } from "../llamacpp/index.ts";
