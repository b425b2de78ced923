import { ANSWER, ASK_FOR_TOOL, DICE, FIRST_NUMBERS, TOOL_CALL, TOOL_RESPONSE, TOOLS_END, type Vocabulary } from "./vocabulary.ts";
import { Matrix } from "./matrix.ts";

/**
 * Two attention heads, one in each block, let an answer depend on the conversation and not on its last token alone:
 * 1. the word that asks for a tool looks back for a list of tools, and remembers when there is one;
 * 2. the start of the answer looks back for a tool's result, such a word, or dice, in this order of strength, and
 *    remembers to call a tool, to roll dice, or nothing.
 * What is remembered are the residual stream's places after those of the tokens.
 */
export const MEMORIES = { toolIsAskedFor: 0, callTool: 1, rollDice: 2 } as const;
const MEMORY_COUNT = 3;

export const HEAD_SIZE = 32;
/**
 * So large a base that the last two places of a head hardly turn with the position (1e-11 per token): what is written
 * there is found at any distance.
 */
export const ROPE_BASE = 1e12;
/** Where a query looks for markers, and where it rests when it is not meant to look for any. */
const LOOK = HEAD_SIZE - 2;
const REST = HEAD_SIZE - 1;

/** How strongly a memory is written, beside a token's one: little, so that the norm hardly changes the token. */
const MEMORY_STRENGTH = 1 / 8;
/** How far a memory lifts its tokens, in logits: above all that follow an answer's start by choice. */
const LIFT = 400;
/** Attention scores of a marker over tokens that are none; the weight of the latter is then below 1e-17 each. */
const SCORE = 40;
const QUERY = 64;

export interface Block {
  readonly query: Matrix;
  readonly key: Matrix;
  readonly value: Matrix;
  readonly output: Matrix;
}

/** Places in the residual stream: tokens by id, then the memories, rounded up to whole blocks of weights. */
export function embeddingSize(vocabulary: Vocabulary): number {
  return Math.ceil((vocabulary.tokens.length + MEMORY_COUNT) / 32) * 32;
}

export function wireAttention(vocabulary: Vocabulary): readonly Block[] {
  const place = placesOf(vocabulary);
  const findTools = head(vocabulary, {
    seekers: [ASK_FOR_TOOL],
    markers: [{ place: place.token(TOOLS_END), score: SCORE, remember: MEMORIES.toolIsAskedFor, strength: 1 }],
    restless: [TOOLS_END],
  });
  const findRequest = head(vocabulary, {
    seekers: [ANSWER],
    markers: [
      { place: place.token(TOOL_RESPONSE), score: 3 * SCORE, strength: 1 },
      { place: place.memory(MEMORIES.toolIsAskedFor), score: 2 * SCORE, remember: MEMORIES.callTool, strength: MEMORY_STRENGTH },
      ...DICE.map((word) => ({ place: place.token(word), score: SCORE, remember: MEMORIES.rollDice, strength: 1 })),
    ],
    restless: [TOOL_RESPONSE, ASK_FOR_TOOL, ...DICE],
  });
  return [findTools, findRequest];
}

/** Adds to the output matrix what each memory lifts. */
export function wireMemories(vocabulary: Vocabulary, output: Matrix): void {
  const place = placesOf(vocabulary);
  for (const [memory, texts] of [
    [MEMORIES.callTool, [TOOL_CALL]],
    [MEMORIES.rollDice, FIRST_NUMBERS],
  ] as const) {
    for (const text of texts) output.set(vocabulary.idOf(text), place.memory(memory), LIFT / MEMORY_STRENGTH);
  }
}

interface Marker {
  readonly place: number;
  readonly score: number;
  /** How large the place's value is when it is set. */
  readonly strength: number;
  readonly remember?: number | undefined;
}

interface HeadOptions {
  readonly seekers: readonly string[];
  readonly markers: readonly Marker[];
  /** Tokens that may carry a marker: a query at rest must not see them. */
  readonly restless: readonly string[];
}

function head(vocabulary: Vocabulary, options: HeadOptions): Block {
  const size = embeddingSize(vocabulary);
  const place = placesOf(vocabulary);
  const block: Block = {
    query: new Matrix(size, HEAD_SIZE),
    key: new Matrix(size, HEAD_SIZE),
    value: new Matrix(size, HEAD_SIZE),
    output: new Matrix(HEAD_SIZE, size),
  };
  // Engines divide the product of query and key by this.
  const keyOf = (score: number) => (score * Math.sqrt(HEAD_SIZE)) / QUERY;
  const seekers = new Set(options.seekers.map((text) => vocabulary.idOf(text)));
  const restless = new Set(options.restless.map((text) => vocabulary.idOf(text)));
  for (const { id } of vocabulary.tokens) {
    block.query.set(seekers.has(id) ? LOOK : REST, id, QUERY);
    if (!restless.has(id)) block.key.set(REST, id, keyOf(SCORE));
  }
  for (const marker of options.markers) {
    block.key.set(LOOK, marker.place, keyOf(marker.score) / marker.strength);
    if (marker.remember === undefined) continue;
    block.value.set(marker.remember, marker.place, 1 / marker.strength);
    block.output.set(place.memory(marker.remember), marker.remember, MEMORY_STRENGTH * Math.sqrt(size));
  }
  return block;
}

function placesOf(vocabulary: Vocabulary) {
  return {
    token: (text: string) => vocabulary.idOf(text),
    memory: (memory: number) => vocabulary.tokens.length + memory,
  };
}
