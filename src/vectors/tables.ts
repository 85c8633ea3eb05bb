/** What training draws from, and how it is cut, from how often each word comes. */

/** How words are drawn as negatives, in constant time (Walker, "An efficient method for generating discrete random variables with general distributions", 1977; built as by Vose, 1991). */
export interface AliasTable {
  /** Of each cell: the share that is its own, */
  readonly probability: Float32Array;
  /** and whose the rest is. */
  readonly alias: Int32Array;
}

/** @param weights not negative, with a sum above 0 */
export function aliasTable(weights: ArrayLike<number>): AliasTable {
  const size = weights.length;
  const probability = new Float32Array(size).fill(1);
  const alias = Int32Array.from({ length: size }, (_, i) => i);
  const total = Array.from(weights).reduce((a, b) => a + b, 0);
  const scaled = Float64Array.from(weights, (weight) => (weight / total) * size);
  const small: number[] = [];
  const large: number[] = [];
  for (const [i, share] of scaled.entries()) (share < 1 ? small : large).push(i);
  for (;;) {
    const [low, high] = [small.pop(), large.pop()];
    // What is left over differs from 1 by rounding alone.
    if (low === undefined || high === undefined) return { probability, alias };
    probability[low] = scaled[low] ?? 1;
    alias[low] = high;
    scaled[high] = (scaled[high] ?? 1) - (1 - (scaled[low] ?? 1));
    ((scaled[high] ?? 1) < 1 ? small : large).push(high);
  }
}

/**
 * The share of each word's places that is kept, as in word2vec: of a word whose share of the text is f, √(t/f) + t/f, where t
 * is `sample`; all where that is more than 1 or `sample` is 0.
 */
export function keptShares(counts: readonly number[], sample: number): Float32Array {
  const limit = sample * counts.reduce((a, b) => a + b, 0);
  return Float32Array.from(counts, (count) =>
    sample === 0 ? 1 : Math.min(1, Math.sqrt(limit / count) + limit / count),
  );
}

/** How often words are drawn as negatives: as often as they come, to the power 3/4. */
export const negativeWeights = (counts: readonly number[]): Float64Array =>
  Float64Array.from(counts, (count) => count ** 0.75);

/** How the text is cut while it is trained on. Other cuts give other vectors. */
export interface Cut {
  /** Words of a round: what they change is seen by one another only within a lane. A power of two. */
  readonly roundWords: number;
  /** Parts of a round that run beside each other. */
  readonly lanes: number;
}

/** Lanes at most: as many threads share the work. */
const mostLanes = 16;
/** Words of a lane at least. */
const laneWords = 16;
const mostRoundWords = 512;
/**
 * How far the lanes of a round may move a row together: its steps times the learning rate. The more it is, the older is what
 * lanes know of each other; from about 40 on, what they add up to overshoots until nothing is finite.
 */
const mostMoved = 8;

/**
 * The fewer words are in a round, the more often the commonest word is trained, so that a small vocabulary, a wide window, many
 * negatives and a high learning rate do no harm; where hardly any are left, there is one lane, which knows everything.
 *
 * @param kept the share of each word's places that is kept
 * @param length of the text, ends of sentences included
 */
export function cutOf(
  counts: readonly number[],
  kept: Float32Array,
  length: number,
  options: { readonly window: number; readonly negative: number; readonly learningRate: number },
): Cut {
  const { window, negative, learningRate } = options;
  const weights = negativeWeights(counts);
  const allWeights = weights.reduce((a, b) => a + b, 0);
  /** How often each is a centre, by the words of the text, and all together. */
  const centres = counts.map((count, row) => (count * (kept[row] ?? 0)) / length);
  const allCentres = centres.reduce((a, b) => a + b, 0);
  const contexts = window + 1; // of a centre, on average, within a long sentence
  const steps = centres.map((share, row) => {
    const input = share * contexts * (1 + negative);
    const output = contexts * (share + (negative * allCentres * (weights[row] ?? 0)) / allWeights);
    return Math.max(input, output);
  });
  const busiest = steps.reduce((a, b) => Math.max(a, b), 0);
  const most = Math.min(mostRoundWords, mostMoved / (busiest * learningRate));
  if (most < 2 * laneWords) return { roundWords: mostRoundWords, lanes: 1 };
  const roundWords = 2 ** Math.floor(Math.log2(most));
  return { roundWords, lanes: Math.min(mostLanes, roundWords / laneWords) };
}
