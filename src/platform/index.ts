export { describeExit, SupervisedChild, type ChildOptions, type ExitInfo, type StopSteps } from "./child-process.ts";
export { pickFreePort } from "./free-port.ts";
export { LineSplitter } from "./line-splitter.ts";
export { formatLogLine, Log, LOG_LEVELS, type LogLevel, type LogLine } from "./log.ts";
export { findPortHolder, type PortHolder } from "./port-holder.ts";
export { isSameProcess, processIdentity } from "./process-identity.ts";
export { ProcessRecords } from "./process-records.ts";
export { killGroup } from "./signal-group.ts";
export { writeFileAtomic } from "./write-file-atomic.ts";
