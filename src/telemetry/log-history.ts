import { LOG_LEVELS, type LogLevel, type LogLine } from "../platform/index.ts";

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
  readonly #readers = new Set<(line: LogLine) => void>();
  readonly #endings = new Set<() => void>();
  #isClosed = false;

  readonly add = (line: LogLine): void => {
    this.#lines.push(line);
    if (this.#lines.length > KEPT_LINES * 2) this.#lines.splice(0, this.#lines.length - KEPT_LINES);
    for (const reader of this.#readers) reader(line);
  };

  /** Ends everybody's reading after the lines that are there. */
  close(): void {
    this.#isClosed = true;
    for (const end of this.#endings) end();
  }

  get readerCount(): number {
    return this.#readers.size;
  }

  /** The kept lines that pass the filter, oldest first, and then every new one until the signal aborts or the log is closed. */
  async *follow(filter: LogFilter, signal: AbortSignal): AsyncGenerator<LogLine> {
    const passes = filterOf(filter);
    const queue = this.#lines.slice(-KEPT_LINES).filter(passes);
    let wake = Promise.withResolvers<void>();
    let dropped = 0;
    const reader = (line: LogLine) => {
      if (!passes(line)) return;
      queue.push(line);
      if (queue.length > MAX_QUEUED_LINES) {
        queue.shift();
        dropped++;
      }
      wake.resolve();
    };
    const stop = () => wake.resolve();
    signal.addEventListener("abort", stop, { once: true });
    this.#readers.add(reader);
    this.#endings.add(stop);
    try {
      while (!signal.aborted) {
        if (dropped > 0) {
          yield { timeMs: Date.now(), level: "warning", source: "logs", text: `${dropped} lines were left out: the reader is slow` };
          dropped = 0;
        }
        const line = queue.shift();
        if (line !== undefined) yield line;
        else if (this.#isClosed) return;
        else {
          await wake.promise;
          wake = Promise.withResolvers();
        }
      }
    } finally {
      this.#readers.delete(reader);
      this.#endings.delete(stop);
      signal.removeEventListener("abort", stop);
    }
  }
}

function filterOf({ level = "trace", source }: LogFilter): (line: LogLine) => boolean {
  const least = LOG_LEVELS.indexOf(level);
  return (line) => LOG_LEVELS.indexOf(line.level) <= least && (source === undefined || line.source === source);
}
