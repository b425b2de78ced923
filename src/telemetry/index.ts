export { LogHistory, type LogFilter } from "./log-history.ts";
