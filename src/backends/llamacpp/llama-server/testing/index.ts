/**
 * What tests of programs that use the library need: a server without a process, responses without a server, and a program that behaves,
 * or misbehaves, like an engine.
 *
 * @module
 */
export { FakeInferenceProcess, type FakeInferenceProcessOptions, type FakeReply, type RecordedRequest } from "./fake-inference-process.ts";
export { fakeResponse, fakeStream, type FakeResponseOptions } from "./fake-response.ts";
export { makeFakeEngine, type FakeEngine, type FakeEngineOptions } from "./fake-engine.ts";
export type { FakeEngineBehaviour } from "./fake-engine-behaviour.ts";
