import { CODE_SIZE, codeEmbedding, ONE, pairingBlock, PAIRS, ROPE_BASE, SLOW_TURNS_FROM } from "./byte-pairs.ts";
import { Matrix } from "./matrix.ts";
import { type Block, emptyBlock, type Network } from "./network.ts";
import { createVocabulary, END_OF_TURN, SEPARATOR } from "./vocabulary.ts";

/** The document comes first, so that each byte of the query can look for itself in it. */
export const RANKING_TEMPLATE = `{document}${SEPARATOR}{query}${END_OF_TURN}`;

const PAIR_COUNT = 40;
const IS_SEPARATOR = PAIRS + PAIR_COUNT;
const IS_QUERY = IS_SEPARATOR + 1;
const IS_FOUND = IS_SEPARATOR + 2;
const FOUND_SHARE = IS_SEPARATOR + 3;
const SIZE = 192;
const FEED_FORWARD_SIZE = 2 * PAIR_COUNT;
/** Gives the places of codes and pairs back at about their size. */
const NORM = Math.sqrt(IS_SEPARATOR / SIZE);

/** The architecture turns the first half of a head with the second. */
const turningPlaces = (turn: number): readonly [number, number] => [turn, turn + CODE_SIZE / 2];
/** Places of a head that do not turn: what is written there is found at any distance. */
const STILL = Array.from({ length: CODE_SIZE / 2 - SLOW_TURNS_FROM }, (_, index) => turningPlaces(SLOW_TURNS_FROM + index)).flat();
const LOOK = STILL.at(-1)!;
const REST = STILL.at(-2)!;
/** In a sum that is then normalised, makes the other terms vanish. */
const OVERWHELMING = 50;

/**
 * A network that judges how much of a query a document contains, as the share of the query's pairs of neighbouring bytes that
 * occur in the document.
 */
export function rankingNetwork(): Network {
  const vocabulary = createVocabulary({ speaks: false });
  const embedding = codeEmbedding(vocabulary, SIZE);
  embedding.set(vocabulary.idOf(SEPARATOR), IS_SEPARATOR, 1);
  const classifier = new Matrix(SIZE, 2);
  classifier.set(0, FOUND_SHARE, 12);
  classifier.set(0, ONE, -4);
  return {
    architecture: "qwen3",
    vocabulary,
    size: SIZE,
    headSize: CODE_SIZE,
    ropeBase: ROPE_BASE,
    feedForwardSize: FEED_FORWARD_SIZE,
    embedding,
    blocks: [pairingBlock({ size: SIZE, pairCount: PAIR_COUNT, turningPlaces }), markQuery(), findPairs(), countFound()],
    outputNorm: new Float32Array(SIZE).fill(NORM),
    classifier: { labels: ["yes", "no"], weights: classifier },
  };
}

/** Everything from the separator on is the query: it sees the separator behind it. */
function markQuery(): Block {
  const block = lookingBlock({ score: 40 });
  block.query.set(LOOK, ONE, 1);
  block.key.set(REST, ONE, 1);
  block.key.set(LOOK, IS_SEPARATOR, OVERWHELMING);
  block.value.set(0, IS_SEPARATOR, 1);
  block.attentionOutput.set(IS_QUERY, 0, 1);
  return block;
}

/** A byte of the query looks for its pair in the document; when nothing there is like it, its attention rests on the query. */
function findPairs(): Block {
  const block = lookingBlock({ score: 80 });
  for (let pair = 0; pair < PAIR_COUNT; pair++) {
    block.query.set(STILL[pair]!, PAIRS + pair, 1);
    block.key.set(STILL[pair]!, PAIRS + pair, 1);
  }
  // Two thirds of the usual length of a pair's products: less than those of an equal pair, more than any other gives.
  block.query.set(REST, ONE, (2 / 3) * Math.sqrt(PAIR_COUNT));
  block.key.set(REST, IS_QUERY, OVERWHELMING * Math.sqrt(PAIR_COUNT));
  block.value.set(0, ONE, 1);
  block.value.set(0, IS_QUERY, -1);
  block.attentionOutput.set(IS_FOUND, 0, 1);
  return block;
}

/** The last token, by which the engine judges, sees all of the query alike: the mean is a share. */
function countFound(): Block {
  const block = lookingBlock({ score: 40 });
  block.query.set(LOOK, ONE, 1);
  block.key.set(REST, ONE, 1);
  block.key.set(LOOK, IS_QUERY, OVERWHELMING);
  block.value.set(0, IS_FOUND, 1);
  block.attentionOutput.set(FOUND_SHARE, 0, 1);
  return block;
}

/** A block without a feed-forward part, in which a query and an equal key have the given attention score. */
function lookingBlock({ score }: { score: number }): Block {
  const block = emptyBlock({ size: SIZE, headSize: CODE_SIZE, feedForwardSize: FEED_FORWARD_SIZE, norm: NORM });
  // Norms give queries and keys the length √size each, and engines divide their product by the same.
  return { ...block, queryNorm: score / Math.sqrt(CODE_SIZE) };
}
