import {
  ANSWER,
  DICE,
  END_OF_TURN,
  FIRST_NUMBERS,
  NUMBERS,
  SENTENCE,
  SENTENCE_AGAIN,
  SENTENCE_ON_NEW_LINE,
  THINK,
  THINK_END,
  THOUGHT,
  TOOL_CALL,
  TOOL_CALL_END,
  type Vocabulary,
} from "./vocabulary.ts";

export interface Speech {
  /** Go round instead of ending the turn. */
  readonly isEndless: boolean;
  /** Begin an answer with a thought. */
  readonly isReasoning: boolean;
}

/**
 * The distance between one choice and the next, in logits. At temperature 1 the second choice has a probability of
 * 2e-9, so that sampling says what greedy decoding says; the last of some 320 ranks still fits a 16-bit float.
 */
const RANK_GAP = 20;

/**
 * What may follow when nothing better is known, best first. Greedy decoding under a grammar takes the first of these
 * that the grammar allows, so the order makes every constrained text short: end it, else close what is open, else write
 * the least. Whitespace comes last, for a grammar that allows it would be given nothing else.
 */
const CLOSE_THEN_WRITE = ['"', "}", "]", TOOL_CALL_END, ...Array.from(":,0123456789abcdefghijklmnopqrstuvwxyz[{-")];
const LAST_RESORTS = ["\n", " ", "\t", "\r"];

type Choices = readonly (readonly string[])[];

/** Which tokens follow which, as groups of equally good ones, best group first. Whatever is not named ranks after them. */
function choicesByToken(vocabulary: Vocabulary, speech: Speech): ReadonlyMap<number, Choices> {
  const choices = new Map<number, Choices>();
  const set = (token: string, ...groups: Choices) => choices.set(vocabulary.idOf(token), groups);
  const say = (words: readonly string[], ...last: Choices) => {
    words.forEach((word, index) => (index < words.length - 1 ? set(word, [words[index + 1]!]) : set(word, ...last)));
  };

  // Text that is not the middle of something the model knows is answered on a new line, like a question in a document.
  for (const token of vocabulary.tokens) choices.set(token.id, [[SENTENCE_ON_NEW_LINE]]);
  for (const token of ["\n", " ", "\t"]) set(token, [SENTENCE[0]]);
  // Text that looks like JSON is not answered but closed.
  set("{", ["}"]);
  set("[", ["]"]);
  // A string that a grammar wants longer is filled with letters.
  for (const character of "abcdefghijklmnopqrstuvwxyz") {
    set(character, [SENTENCE_ON_NEW_LINE], [END_OF_TURN], ['"'], ["a"]);
  }
  set('"', [END_OF_TURN], ['"'], ["a"]);
  for (const token of ["}", "]", TOOL_CALL_END, END_OF_TURN]) set(token);
  // The line break belongs to the mark by which engines notice a call; a token that held both would not be noticed.
  set(TOOL_CALL, ["\n"]);

  // The later choices of an answer are those that attention lifts above the first, see speaking-network.ts.
  set(ANSWER, [speech.isReasoning ? THINK : SENTENCE[0]], [TOOL_CALL], FIRST_NUMBERS);
  if (speech.isReasoning) {
    set(THINK, [THOUGHT[0]]);
    say(THOUGHT, [THINK_END]);
    set(THINK_END, [SENTENCE[0]]);
  }
  // A grammar that demands a tool call lets text precede it: once the sentence is said, the call comes before other text.
  say(SENTENCE, ...(speech.isEndless ? [[SENTENCE_AGAIN]] : []), [END_OF_TURN], [TOOL_CALL]);
  for (const token of [SENTENCE_ON_NEW_LINE, SENTENCE_AGAIN]) set(token, [SENTENCE[1]]);
  for (const token of [...DICE, ...FIRST_NUMBERS, ...NUMBERS]) set(token, NUMBERS);
  return choices;
}

/** The logit of every token after every token: one row per token of the vocabulary, 0 for the best. */
export function nextTokenLogits(vocabulary: Vocabulary, speech: Speech): readonly Float32Array[] {
  const choices = choicesByToken(vocabulary, speech);
  const fallback = fallbackOrder(vocabulary);
  return vocabulary.tokens.map((token) => {
    const groups = (choices.get(token.id) ?? []).map((group) => group.map((text) => vocabulary.idOf(text)));
    return rankedLogits([...groups, ...fallback.map((id) => [id])], vocabulary.tokens.length);
  });
}

/** Every token once: what ends or closes, what is short, other bytes, whitespace, words. */
function fallbackOrder(vocabulary: Vocabulary): number[] {
  const first = [END_OF_TURN, ...CLOSE_THEN_WRITE].map((text) => vocabulary.idOf(text));
  const resorts = LAST_RESORTS.map((text) => vocabulary.idOf(text));
  const bytes = vocabulary.tokens.slice(0, 256).map((token) => token.id);
  const rest = vocabulary.tokens.map((token) => token.id);
  const isResort = new Set(resorts);
  return [...new Set([...first, ...bytes.filter((id) => !isResort.has(id)), ...resorts, ...rest])];
}

function rankedLogits(groups: readonly (readonly number[])[], vocabularySize: number): Float32Array {
  const logits = new Float32Array(vocabularySize).fill(Number.NaN);
  let rank = 0;
  for (const group of groups) {
    const unranked = group.filter((id) => Number.isNaN(logits[id]));
    for (const id of unranked) logits[id] = -RANK_GAP * rank;
    if (unranked.length > 0) rank++;
  }
  return logits;
}
