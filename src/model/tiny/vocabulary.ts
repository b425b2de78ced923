/**
 * The tokens of the tiny model: one for each byte, so that any text can be read and given back exactly, and one for each
 * word that means something to it. The engine cuts text into the longest tokens that fit, from left to right.
 */

export const START_OF_TURN = "<|im_start|>";
export const END_OF_TURN = "<|im_end|>";
export const PADDING = "<|endoftext|>";
/** Stands between the document and the query of the reranking variant. */
export const SEPARATOR = "<|sep|>";
/** The end of every prompt that a chat template makes: here the model answers. */
export const ANSWER = "assistant\n";
export const TOOL_CALL = "<tool_call>";
export const TOOL_CALL_END = "</tool_call>";
export const TOOLS_END = "</tools>";
export const TOOL_RESPONSE = "<tool_response>";
export const THINK = "<think>";
export const THINK_END = "</think>";

/** What the model says, cut into its tokens. None occurs twice: the next word follows from the last one alone. */
export const SENTENCE = [
  "Hello!",
  " I",
  " am",
  " tiny,",
  " the",
  " model",
  " built",
  " into",
  " lemon",
  ".ts;",
  " this",
  " sentence",
  " is",
  " all",
  " it",
  " can",
  " say.",
] as const;
/** The sentence after other text: a string of JSON cannot hold a line break, so a grammar for JSON never lets it begin. */
export const SENTENCE_ON_NEW_LINE = "\nHello!";
export const SENTENCE_AGAIN = " Hello!";

/** What the reasoning variant thinks first, in the same manner. */
export const THOUGHT = ["Somebody", " wrote", " something:", " time", " for", " my", " only", " answer."] as const;

/** Words after which numbers follow at random, without end. */
export const DICE = ["dice", " dice", "Dice"] as const;
export const FIRST_NUMBERS = ["One", "Two", "Three", "Four", "Five", "Six"] as const;
export const NUMBERS = [" one", " two", " three", " four", " five", " six"] as const;
/** A word that makes the model call a tool, when the conversation offers any. */
export const ASK_FOR_TOOL = " tool";

/** The answer that every chat gets, exactly. */
export const TINY_SENTENCE: string = SENTENCE.join("");
/** The content of the thought that precedes it in the reasoning variant. */
export const TINY_THOUGHT: string = THOUGHT.join("");

export interface Token {
  readonly id: number;
  /** What the token stands for; a single byte above 127 has no text of its own. */
  readonly text: string | undefined;
  readonly kind: "normal" | "control";
  /** How a GGUF file lists it: printable, the rest as escapes. */
  readonly stored: string;
}

export interface Vocabulary {
  readonly tokens: readonly Token[];
  /** The id of the token with this text; throws when there is none. */
  idOf(text: string): number;
}

export interface VocabularyOptions {
  /** Defaults to true; a model that says nothing needs no words, only bytes. */
  readonly speaks?: boolean | undefined;
  /** With the words of the thought. */
  readonly isReasoning?: boolean | undefined;
}

export function createVocabulary({ speaks = true, isReasoning = false }: VocabularyOptions): Vocabulary {
  const tokens: Token[] = [];
  const ids = new Map<string, number>();
  const add = (text: string | undefined, kind: Token["kind"], stored: string) => {
    if (text !== undefined) ids.set(text, tokens.length);
    tokens.push({ id: tokens.length, text, kind, stored });
  };
  for (let byte = 0; byte < 256; byte++) {
    const text = byte < 0x80 ? String.fromCharCode(byte) : undefined;
    add(text, "normal", text === undefined ? escapeByte(byte) : escape(text));
  }
  const words = speaks ? [ANSWER, ...SENTENCE, SENTENCE_ON_NEW_LINE, SENTENCE_AGAIN] : [];
  if (speaks) words.push(...DICE, ...FIRST_NUMBERS, ...NUMBERS, ASK_FOR_TOOL, TOOLS_END, TOOL_RESPONSE, TOOL_CALL, TOOL_CALL_END);
  if (isReasoning) words.push(THINK, ...THOUGHT, THINK_END);
  for (const word of words) add(word, "normal", escape(word));
  for (const marker of [PADDING, SEPARATOR, START_OF_TURN, END_OF_TURN]) add(marker, "control", marker);
  return {
    tokens,
    idOf(text) {
      const id = ids.get(text);
      if (id === undefined) throw new RangeError(`The tiny model has no token ${JSON.stringify(text)}`);
      return id;
    },
  };
}

function escape(ascii: string): string {
  return ascii.replaceAll(/[^\x20-\x7e]|\\/g, (character) => (character === "\\" ? "\\\\" : escapeByte(character.charCodeAt(0))));
}

function escapeByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}
