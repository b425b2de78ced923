export { renderError, renderErrorEvent, type ErrorBody } from "./openai/errors.ts";
export { completeEventsLength } from "./sse.ts";
export { readTimings, type AnswerTimings } from "./openai/timings.ts";
