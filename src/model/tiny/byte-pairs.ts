import { Matrix } from "./matrix.ts";
import { type Block, emptyBlock } from "./network.ts";
import type { Vocabulary } from "./vocabulary.ts";

/**
 * How texts are compared: by their pairs of neighbouring bytes, upper and lower case alike. Attention fetches the code of
 * the byte before; the feed-forward part multiplies random sums of both codes, so that equal pairs give equal
 * products and others unrelated ones.
 */

/** Every byte has a code of this many ones and minus ones; two codes agree about as often as not. */
export const CODE_SIZE = 64;
/** The first value of a code is always one: a constant that the queries and keys are made of. */
export const ONE = 0;
const PREVIOUS = CODE_SIZE;
/** Where the products begin. */
export const PAIRS = 2 * CODE_SIZE;

/** The quick turns of a head tell neighbours apart; from the slow ones on, up to some ten thousand tokens look alike. */
export const ROPE_BASE = 1e20;
const QUICK_TURNS = 4;
export const SLOW_TURNS_FROM = 9;
/** Attention scores of the byte before over its neighbours: at least half of this. */
const SHARPNESS = 60;

export interface PairLayout {
  readonly size: number;
  readonly pairCount: number;
  /** The two places of a head that turn together. */
  readonly turningPlaces: (turn: number) => readonly [number, number];
}

export function codeEmbedding(vocabulary: Vocabulary, size: number): Matrix {
  const random = randomSigns(0x1e3079);
  const codes = vocabulary.tokens.map(() => Array.from({ length: CODE_SIZE }, (_, index) => (index === ONE ? 1 : random())));
  const embedding = new Matrix(size, vocabulary.tokens.length);
  for (const { id, text } of vocabulary.tokens) {
    const lowerCase = text?.length === 1 ? vocabulary.idOf(text.toLowerCase()) : id;
    for (const [place, value] of codes[lowerCase]!.entries()) embedding.set(id, place, value);
  }
  return embedding;
}

/** The block that comes first; it needs two feed-forward places per pair. */
export function pairingBlock({ size, pairCount, turningPlaces }: PairLayout): Block {
  const block: Block = {
    ...emptyBlock({ size, headSize: CODE_SIZE, feedForwardSize: 2 * pairCount, norm: 1 }),
    // Norms that give the codes back as ones and minus ones: first one code is there, then two.
    attentionNorm: Math.sqrt(CODE_SIZE / size),
    feedForwardNorm: Math.sqrt(PAIRS / size),
    queryNorm: SHARPNESS / 2,
  };
  for (let turn = 0; turn < QUICK_TURNS; turn++) {
    // Rotated by its position, this key is parallel to the query of the next position.
    const angle = ROPE_BASE ** ((-2 * turn) / CODE_SIZE);
    const [first, second] = turningPlaces(turn);
    block.query.set(first, ONE, SHARPNESS);
    block.key.set(first, ONE, Math.sqrt(CODE_SIZE) * Math.cos(angle));
    block.key.set(second, ONE, Math.sqrt(CODE_SIZE) * Math.sin(angle));
  }
  for (let place = 0; place < CODE_SIZE; place++) {
    block.value.set(place, place, 1);
    block.attentionOutput.set(PREVIOUS + place, place, 1);
  }
  multiply(block, pairCount);
  return block;
}

function multiply(block: Block, pairCount: number): void {
  const random = randomSigns(0x7ea5);
  const scale = 1 / Math.sqrt(CODE_SIZE);
  for (let pair = 0; pair < pairCount; pair++) {
    // The gate's function is x·sigmoid(x), and the difference of it at x and -x is x: a plain product of gate and up remains.
    const [positive, negative] = [2 * pair, 2 * pair + 1];
    for (let place = 0; place < CODE_SIZE; place++) {
      const gate = random() * scale;
      const up = random() * scale;
      block.gate.set(positive, place, gate);
      block.gate.set(negative, place, -gate);
      block.up.set(positive, PREVIOUS + place, up);
      block.up.set(negative, PREVIOUS + place, up);
    }
    block.down.set(PAIRS + pair, positive, 1);
    block.down.set(PAIRS + pair, negative, -1);
  }
}

/** Ones and minus ones, the same on every machine (xorshift32). */
function randomSigns(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0x10000 ? 1 : -1;
  };
}
