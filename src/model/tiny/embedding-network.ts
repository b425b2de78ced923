import { CODE_SIZE, codeEmbedding, pairingBlock, PAIRS, ROPE_BASE } from "./byte-pairs.ts";
import type { Network } from "./network.ts";
import { createVocabulary } from "./vocabulary.ts";

const PAIR_COUNT = 128;
const SIZE = PAIRS + PAIR_COUNT;

/**
 * A network whose vectors count pairs of neighbouring bytes, so that those of texts that share words point the same way. The
 * counting is done by the engine's mean pooling.
 */
export function embeddingNetwork(): Network {
  const vocabulary = createVocabulary({ speaks: false });
  const outputNorm = new Float32Array(SIZE);
  outputNorm.fill(1, PAIRS);
  return {
    architecture: "llama",
    vocabulary,
    size: SIZE,
    headSize: CODE_SIZE,
    ropeBase: ROPE_BASE,
    feedForwardSize: 2 * PAIR_COUNT,
    embedding: codeEmbedding(vocabulary, SIZE),
    blocks: [pairingBlock({ size: SIZE, pairCount: PAIR_COUNT, turningPlaces: (turn) => [2 * turn, 2 * turn + 1] })],
    outputNorm,
  };
}
