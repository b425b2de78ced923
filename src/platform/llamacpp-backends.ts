/** Which llama.cpp build, or `embedded` for the engine inside our own worker process. */
export const LLAMACPP_BACKENDS = ["auto", "vulkan", "rocm", "metal", "cpu", "cuda", "system", "from-source", "embedded"] as const;
export type LlamaCppBackend = (typeof LLAMACPP_BACKENDS)[number];
