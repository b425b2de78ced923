import type { AddonModel } from "./addon.ts";
import { tokenBytesOf, type StoredToken, type TokenBytes } from "./token-bytes.ts";

/** Turns text into tokens and tokens into bytes, the way llama-server does. */
export class Vocabulary {
  readonly #model: AddonModel;
  readonly #bytesOf: TokenBytes;
  readonly #endTokens = new Map<number, boolean>();
  readonly bos: number;
  readonly eos: number;
  readonly type: number;

  constructor(model: AddonModel) {
    this.#model = model;
    this.bos = model.tokenBos();
    this.eos = model.tokenEos();
    this.type = model.getVocabularyType();
    const sample = [...model.tokenize("x y", false)];
    const writesSpaceAsBlock = sample.some((token) => model.getTokenString(token)?.includes("▁"));
    this.#bytesOf = tokenBytesOf(this.type, { writesSpaceAsBlock });
  }

  get addsBos(): boolean {
    return this.#model.shouldPrependBosToken() && this.bos !== -1;
  }

  get addsEos(): boolean {
    return this.#model.shouldAppendEosToken() && this.eos !== -1;
  }

  /** With `addSpecial`, the tokens that begin and end every text of this model are added where the text has them not. */
  tokenize(text: string, { addSpecial, parseSpecial = true }: { addSpecial: boolean; parseSpecial?: boolean | undefined }): number[] {
    const tokens = text === "" ? [] : Array.from(this.#model.tokenize(text, parseSpecial));
    if (!addSpecial) return tokens;
    if (this.addsBos && tokens[0] !== this.bos) tokens.unshift(this.bos);
    const end = this.#endToken();
    if (end !== -1 && tokens.at(-1) !== end) tokens.push(end);
    return tokens;
  }

  bytes(token: number, options?: { readonly showsSpecial?: boolean | undefined }): Uint8Array {
    return this.#bytesOf(this.#stored(token), options);
  }

  text(tokens: Iterable<number>, options?: { readonly showsSpecial?: boolean | undefined }): string {
    const decoder = new TextDecoder();
    let text = "";
    for (const token of tokens) text += decoder.decode(this.bytes(token, options), { stream: true });
    return text + decoder.decode();
  }

  endsAnswer(token: number): boolean {
    const known = this.#endTokens.get(token);
    if (known !== undefined) return known;
    const ends = this.#model.isEogToken(token);
    this.#endTokens.set(token, ends);
    return ends;
  }

  /** BERT closes every text with its separator. */
  #endToken(): number {
    if (this.type === WORD_PIECE) return this.#model.sepToken();
    return this.addsEos ? this.eos : -1;
  }

  #stored(token: number): StoredToken {
    return { text: this.#model.getTokenString(token) ?? "", attributes: this.#model.getTokenAttributes(token) };
  }
}

const WORD_PIECE = 3;
