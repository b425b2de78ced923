import { AnswerFigures } from "./answer-figures.ts";
import type { AnswerTimings } from "../dialects/index.ts";

/** Something that an engine's output says of it. */
export type EngineFact =
  /** What one answer cost; told at its end. */
  | { readonly kind: "answered"; readonly timings: AnswerTimings }
  /** Context of one conversation, in tokens. */
  | { readonly kind: "context"; readonly tokens: number }
  /** Memory that the model takes, by device (`CUDA0`, `Vulkan1`); main memory is none. */
  | { readonly kind: "memory"; readonly devices: Readonly<Record<string, number>> };

/** What is known of a running engine from what it was asked for, what it prints and what it answers. */
export class EngineTelemetry {
  /** Figures of its answers, from the answers themselves or else from its output. */
  readonly answers = new AnswerFigures();
  #contextTokens: number;
  #deviceBytes: Readonly<Record<string, number>> | undefined;

  /** @param contextTokens - What the launch asks for; the engine may say otherwise. */
  constructor(contextTokens: number) {
    this.#contextTokens = contextTokens;
  }

  /** Context of one conversation, in tokens. */
  get contextTokens(): number {
    return this.#contextTokens;
  }

  /** Bytes by device; empty when all of it is in main memory, undefined when the engine does not tell. */
  get deviceBytes(): Readonly<Record<string, number>> | undefined {
    return this.#deviceBytes;
  }

  note(fact: EngineFact): void {
    switch (fact.kind) {
      case "answered":
        this.answers.printed(fact.timings);
        return;
      case "context":
        this.#contextTokens = fact.tokens;
        return;
      case "memory":
        this.#deviceBytes = fact.devices;
        return;
      default:
        fact satisfies never;
    }
  }
}
