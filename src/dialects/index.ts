export { renderError, renderErrorEvent, type ErrorBody } from "./openai/errors.ts";
export { completeEventsLength, completeLastEvent } from "./sse.ts";
export { SseDecoder, type ServerSentEvent } from "./sse-decoder.ts";
export { readTimings, type AnswerTimings } from "./openai/timings.ts";
export { completionsAsAsked, promptsOf } from "./openai/completions.ts";
export { readableRefusal } from "./openai/engine-refusal.ts";
export { simpleResponses } from "./openai/simple-responses.ts";
export { chatRequestOf, responsesThroughChat } from "./responses/index.ts";
export { inTurn, type Translation } from "./translation.ts";
