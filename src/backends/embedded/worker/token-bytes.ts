/** Kinds of tokenizers by their number in llama.cpp. */
const SPM = 1;
const BPE = 2;
const WPM = 3;
const UGM = 4;
const RWKV = 5;

/** Bits of a token's attributes in llama.cpp. */
const UNKNOWN = 1;
const CONTROL = 8;
const USER_DEFINED = 16;
const BYTE = 32;

export interface StoredToken {
  /** As the vocabulary lists it. */
  readonly text: string;
  readonly attributes: number;
}

export type TokenBytes = (token: StoredToken, options?: { readonly showsSpecial?: boolean | undefined }) => Uint8Array;

const utf8 = new TextEncoder();
const NOTHING = new Uint8Array(0);

/**
 * What a token stands for, as llama.cpp's `token_to_piece` has it. The add-on's `detokenize` serves not: it drops the space before
 * punctuation with many vocabularies, and turns half characters into replacement characters.
 */
export function tokenBytesOf(vocabularyType: number, { writesSpaceAsBlock }: { readonly writesSpaceAsBlock: boolean }): TokenBytes {
  const ofNormal = normalTokenReader(vocabularyType, writesSpaceAsBlock);
  return ({ text, attributes }, { showsSpecial = false } = {}) => {
    if ((attributes & (UNKNOWN | CONTROL)) !== 0) return showsSpecial ? utf8.encode(text) : NOTHING;
    if (vocabularyType === RWKV) return ofNormal(text);
    if ((attributes & USER_DEFINED) !== 0) return utf8.encode(text);
    if ((attributes & BYTE) !== 0) return ofByte(text);
    return ofNormal(text);
  };
}

function normalTokenReader(vocabularyType: number, writesSpaceAsBlock: boolean): (text: string) => Uint8Array {
  switch (vocabularyType) {
    case SPM:
    case WPM:
    case UGM:
      return withSpaces;
    case BPE:
      return writesSpaceAsBlock ? withSpaces : fromByteAlphabet;
    case RWKV:
      return unescape;
    default:
      return (text) => utf8.encode(text);
  }
}

const withSpaces = (text: string): Uint8Array => utf8.encode(text.replaceAll("▁", " "));

/** `<0x0A>`. */
function ofByte(text: string): Uint8Array {
  const code = /^<0x([0-9A-Fa-f]{2})>$/.exec(text)?.[1];
  return code === undefined ? utf8.encode(text) : Uint8Array.of(Number.parseInt(code, 16));
}

/** GPT-2's alphabet: printable characters stand for themselves, the other bytes for the characters from U+0100 on. */
const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = new Map(byteAlphabet());

function* byteAlphabet(): Generator<[string, number]> {
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const isPrintable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    yield [String.fromCodePoint(isPrintable ? byte : next++), byte];
  }
}

function fromByteAlphabet(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    const byte = BYTE_OF_CHARACTER.get(character);
    if (byte === undefined) bytes.push(...utf8.encode(character));
    else bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

const SIMPLE_ESCAPES: Readonly<Record<string, number>> = { t: 9, n: 10, r: 13 };

/** `\n`, `\x00` and `\\`, as RWKV's vocabulary writes bytes. */
function unescape(text: string): Uint8Array {
  const bytes: number[] = [];
  for (let at = 0; at < text.length;) {
    const character = String.fromCodePoint(text.codePointAt(at) ?? 0);
    at += character.length;
    if (character !== "\\") {
      bytes.push(...utf8.encode(character));
      continue;
    }
    const escaped = text[at++] ?? "\\";
    if (escaped === "x") {
      bytes.push(Number.parseInt(text.slice(at, at + 2), 16));
      at += 2;
    } else bytes.push(SIMPLE_ESCAPES[escaped] ?? escaped.charCodeAt(0));
  }
  return Uint8Array.from(bytes);
}
