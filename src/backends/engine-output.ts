/** One line of an engine's output as people read it. */
export interface OutputLine {
  readonly text: string;
  /** Whether the engine calls it an error. Its warnings are about habits of its own, such as reading a cached prompt. */
  readonly isError?: boolean | undefined;
}

/** Understands what one engine process prints. */
export interface EngineOutput {
  /** Takes every line in order; undefined for one that says nothing to people. */
  read(line: string): OutputLine | undefined;
}
