export { buildTinyModel, describeTinyModel, type TinyOptions } from "./build-tiny-model.ts";
export { TINY_SENTENCE, TINY_THOUGHT } from "./vocabulary.ts";
