import { LOG_LEVELS, type LogLevel, type LogLine } from "../platform/index.ts";
import { Feed } from "./feed.ts";

export interface LogFilter {
  /** The least important level that passes. Defaults to `trace`: everything that was logged. */
  readonly level?: LogLevel | undefined;
  /** Only lines of this model's engine or part of the program. */
  readonly source?: string | undefined;
}

/** Lines kept for a reader who comes later. */
const KEPT_LINES = 5000;
/** Lines that may wait for a reader who is slow; the oldest ones go first, and the reader learns how many. */
const MAX_QUEUED_LINES = 5000;

/** Keeps the last log lines and hands each new one to whoever listens. */
export class LogHistory {
  readonly #lines: LogLine[] = [];
  readonly #feed = new Feed<LogLine>({ maxQueued: MAX_QUEUED_LINES, drops: "oldest", gap: leftOut });

  readonly add = (line: LogLine): void => {
    this.#lines.push(line);
    if (this.#lines.length > KEPT_LINES * 2) this.#lines.splice(0, this.#lines.length - KEPT_LINES);
    this.#feed.emit(line);
  };

  /** Ends everybody's reading after the lines that are there. */
  close(): void {
    this.#feed.close();
  }

  get readerCount(): number {
    return this.#feed.readerCount;
  }

  /** The kept lines that pass the filter, oldest first, and then every new one until the signal aborts or the log is closed. */
  follow(filter: LogFilter, signal: AbortSignal): AsyncGenerator<LogLine> {
    const passes = filterOf(filter);
    return this.#feed.follow({ signal, first: this.#lines.slice(-KEPT_LINES).filter(passes), passes });
  }
}

function leftOut(count: number): LogLine {
  return { timeMs: Date.now(), level: "warning", source: "logs", text: `${count} lines were left out: the reader is slow` };
}

function filterOf({ level = "trace", source }: LogFilter): (line: LogLine) => boolean {
  const least = LOG_LEVELS.indexOf(level);
  return (line) => LOG_LEVELS.indexOf(line.level) <= least && (source === undefined || line.source === source);
}
