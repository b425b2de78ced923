import { StopScanner } from "./stop-scanner.ts";
import type { Vocabulary } from "./vocabulary.ts";

export interface AnswerTextOptions {
  readonly vocabulary: Pick<Vocabulary, "bytes" | "tokenize">;
  readonly stops: readonly string[];
  /** Control tokens that belong to the text, such as the tags around a tool call; the others stand for nothing. */
  readonly shownTokens: ReadonlySet<number>;
}

/** The text of an answer as its tokens come: whole characters only, without stop strings. */
export class AnswerText {
  readonly #options: AnswerTextOptions;
  readonly #decoder = new TextDecoder();
  readonly #stops: StopScanner;
  readonly #tokens: { readonly token: number; readonly start: number }[] = [];
  #raw = "";

  constructor(options: AnswerTextOptions) {
    this.#options = options;
    this.#stops = new StopScanner(options.stops);
  }

  push(token: number): { readonly text: string; readonly stoppedBy?: string | undefined } {
    this.#tokens.push({ token, start: this.#raw.length });
    const showsSpecial = this.#options.shownTokens.has(token);
    const piece = this.#decoder.decode(this.#options.vocabulary.bytes(token, { showsSpecial }), { stream: true });
    this.#raw += piece;
    return this.#stops.push(piece);
  }

  /** What was held back; a character that never became whole is a replacement character. */
  end(): string {
    return this.#stops.push(this.#decoder.decode()).text + this.#stops.end();
  }

  /** The tokens that stand for the text from `offset` on. Where it falls into a token, the rest of that token is cut anew. */
  tokensFrom(offset: number): readonly number[] {
    const first = this.#tokens.findIndex(({ start }) => start >= offset);
    const whole = first === -1 ? [] : this.#tokens.slice(first);
    const rest = this.#raw.slice(offset, whole[0]?.start ?? this.#raw.length);
    return [...this.#options.vocabulary.tokenize(rest, { addSpecial: false }), ...whole.map(({ token }) => token)];
  }
}
