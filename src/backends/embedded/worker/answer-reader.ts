import type { OutputDelta } from "./output-delta.ts";

/** Reads what a model writes, while it writes it. */
export interface AnswerReader {
  push(text: string): OutputDelta[];
  /** The answer is complete, or cut off: gives out what was held back. */
  end(): OutputDelta[];
  /** Where in the whole text the tool calls begin, once they do. */
  readonly callsAt: number | undefined;
  /** Where in the whole text the reasoning has ended, once it has. */
  readonly answerAt: number | undefined;
  readonly toolCallCount: number;
}
