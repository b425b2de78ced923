import { Matrix } from "./matrix.ts";
import { type Block, emptyBlock, type Network, type Padding } from "./network.ts";
import { nextTokenLogits, type Speech } from "./next-token.ts";
import {
  ANSWER,
  ASK_FOR_TOOL,
  createVocabulary,
  DICE,
  FIRST_NUMBERS,
  TOOL_CALL,
  TOOL_RESPONSE,
  TOOLS_END,
  type Vocabulary,
} from "./vocabulary.ts";

/**
 * What an answer remembers of its conversation, beside the last token. Each memory is a place in the residual stream,
 * after those of the tokens.
 */
const MEMORIES = { toolIsAskedFor: 0, callTool: 1, rollDice: 2 } as const;
const MEMORY_COUNT = 3;
/** How strongly a memory is written, beside a token's one: little, so that the norm hardly changes the token. */
const MEMORY_STRENGTH = 1 / 8;
/** How far a memory lifts its tokens, in logits: above the first choice at an answer's start. */
const LIFT = 400;

const HEAD_SIZE = 32;
/** So large that the last two places of a head do not turn with the position: what is written there is found at any distance. */
const ROPE_BASE = 1e12;
/** Where a query looks for markers, and where it rests when it is not meant to look for any. */
const LOOK = HEAD_SIZE - 2;
const REST = HEAD_SIZE - 1;
/** The attention score of a marker over other tokens, whose weight is then below 1e-17 each. */
const SCORE = 40;
const QUERY = 64;
const FEED_FORWARD_SIZE = 32;
/** Engines read the rows of a matrix in blocks of this many values. */
const ROW_BLOCK = 32;

/**
 * A network that says what `nextTokenLogits` tells it to. A token's embedding is a one in the place of its id; it passes the
 * blocks unchanged and picks its column of the output matrix, the table of what follows what.
 */
export function speakingNetwork(speech: Speech, { paddingBytes = 0 }: { paddingBytes?: number | undefined } = {}): Network {
  const vocabulary = createVocabulary(speech);
  const size = Math.ceil((vocabulary.tokens.length + MEMORY_COUNT) / ROW_BLOCK) * ROW_BLOCK;
  // At this length the mean square is one, so that RMS norm changes nothing; its weights then make it a one.
  const oneHotLength = Math.sqrt(size);
  const embedding = new Matrix(size, vocabulary.tokens.length);
  const output = new Matrix(size, vocabulary.tokens.length);
  for (const [id, logits] of nextTokenLogits(vocabulary, speech).entries()) {
    embedding.set(id, id, oneHotLength);
    for (const [next, logit] of logits.entries()) output.set(next, id, logit);
  }
  for (const [memory, texts] of [
    [MEMORIES.callTool, [TOOL_CALL]],
    [MEMORIES.rollDice, FIRST_NUMBERS],
  ] as const) {
    for (const text of texts) output.set(vocabulary.idOf(text), placeOf(memory, vocabulary), LIFT / MEMORY_STRENGTH);
  }
  return {
    architecture: "llama",
    vocabulary,
    size,
    headSize: HEAD_SIZE,
    ropeBase: ROPE_BASE,
    feedForwardSize: FEED_FORWARD_SIZE,
    embedding,
    blocks: rememberingBlocks(vocabulary, size),
    outputNorm: new Float32Array(size).fill(1 / oneHotLength),
    output,
    padding: paddingBytes > 0 ? paddingOf(paddingBytes, size) : undefined,
  };
}

/** Experts in both blocks, of three 16-bit matrices each, that take about as many bytes. */
function paddingOf(paddingBytes: number, size: number): Padding {
  const expertCount = 128;
  const expertBytes = paddingBytes / (2 * expertCount);
  return { expertCount, expertSize: Math.ceil(expertBytes / (3 * 2 * size * ROW_BLOCK)) * ROW_BLOCK };
}

/**
 * Attention is what lets an answer depend on the conversation:
 * 1. the word that asks for a tool looks back for a list of tools, and remembers when there is one;
 * 2. the start of the answer looks back for a tool's result, such a word, or dice, in this order of strength, and
 *    remembers to call a tool, to roll dice, or nothing.
 */
function rememberingBlocks(vocabulary: Vocabulary, size: number): readonly Block[] {
  const { toolIsAskedFor, callTool, rollDice } = MEMORIES;
  const place = (text: string) => vocabulary.idOf(text);
  return [
    lookingBlock(vocabulary, size, {
      seeker: ASK_FOR_TOOL,
      markers: [{ place: place(TOOLS_END), strength: 1, score: SCORE, memory: toolIsAskedFor }],
      hidden: [TOOLS_END],
    }),
    lookingBlock(vocabulary, size, {
      seeker: ANSWER,
      markers: [
        { place: place(TOOL_RESPONSE), strength: 1, score: 3 * SCORE },
        { place: placeOf(toolIsAskedFor, vocabulary), strength: MEMORY_STRENGTH, score: 2 * SCORE, memory: callTool },
        ...DICE.map((word) => ({ place: place(word), strength: 1, score: SCORE, memory: rollDice })),
      ],
      hidden: [TOOL_RESPONSE, ASK_FOR_TOOL, ...DICE],
    }),
  ];
}

interface Looking {
  /** The token that looks back. */
  readonly seeker: string;
  readonly markers: readonly {
    readonly place: number;
    /** The value that the place has when the marker is there. */
    readonly strength: number;
    readonly score: number;
    readonly memory?: number | undefined;
  }[];
  /** The tokens that carry markers: those that do not look must not see them. */
  readonly hidden: readonly string[];
}

function lookingBlock(vocabulary: Vocabulary, size: number, looking: Looking): Block {
  const block = emptyBlock({ size, headSize: HEAD_SIZE, feedForwardSize: FEED_FORWARD_SIZE, norm: 1 / Math.sqrt(size) });
  // Engines divide the product of query and key by the root.
  const keyOf = (score: number) => (score * Math.sqrt(HEAD_SIZE)) / QUERY;
  const seeker = vocabulary.idOf(looking.seeker);
  const hidden = new Set(looking.hidden.map((text) => vocabulary.idOf(text)));
  for (const { id } of vocabulary.tokens) {
    block.query.set(id === seeker ? LOOK : REST, id, QUERY);
    if (!hidden.has(id)) block.key.set(REST, id, keyOf(SCORE));
  }
  for (const { place, strength, score, memory } of looking.markers) {
    block.key.set(LOOK, place, keyOf(score) / strength);
    if (memory === undefined) continue;
    block.value.set(memory, place, 1 / strength);
    block.attentionOutput.set(placeOf(memory, vocabulary), memory, MEMORY_STRENGTH * Math.sqrt(size));
  }
  return block;
}

function placeOf(memory: number, vocabulary: Vocabulary): number {
  return vocabulary.tokens.length + memory;
}
