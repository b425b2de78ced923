export { Feed } from "./feed.ts";
export { LogHistory, type LogFilter } from "./log-history.ts";
export { describeRequest, RequestStats, type ModelTotals, type RequestRecord } from "./request-stats.ts";
