export const LOG_LEVELS = ["critical", "error", "warning", "info", "debug", "trace"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogLine {
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  readonly level: LogLevel;
  /** The part of the program, or the model whose engine wrote the line. */
  readonly source: string;
  readonly text: string;
}

/** Lines at or above a level reach the sink; everything below costs a comparison. */
export class Log {
  level: LogLevel;
  readonly #sink: (line: LogLine) => void;

  constructor(options: { level: LogLevel; sink: (line: LogLine) => void }) {
    this.level = options.level;
    this.#sink = options.sink;
  }

  isEnabled(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(this.level);
  }

  write(level: LogLevel, source: string, text: string): void {
    if (this.isEnabled(level)) this.#sink({ timeMs: Date.now(), level, source, text });
  }

  error(source: string, text: string): void {
    this.write("error", source, text);
  }

  warning(source: string, text: string): void {
    this.write("warning", source, text);
  }

  info(source: string, text: string): void {
    this.write("info", source, text);
  }

  debug(source: string, text: string): void {
    this.write("debug", source, text);
  }
}

/** One log line as text: `2026-08-01T12:00:00.000Z info router: loading tiny`. */
export function formatLogLine(line: LogLine): string {
  return `${new Date(line.timeMs).toISOString()} ${line.level} ${line.source}: ${line.text}`;
}
