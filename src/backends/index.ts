export type { Backend, BackendContext } from "./backend.ts";
export { childEnvironment } from "./child-environment.ts";
export { createEmbeddedBackend, embeddedEngineFolder } from "./embedded/index.ts";
export { createLlamaCppBackend } from "./llamacpp/index.ts";
export type { LaunchRequest, LoadProgress, WrappedServer, WrappedServerState } from "./wrapped-server.ts";
