/** Context and words that came after it. */
interface Followers {
  /** Σ of the counts. */
  total: number;
  readonly counts: Map<number, number>;
}

/**
 * Interpolated Kneser-Ney smoothing of n-grams (Kneser and Ney, 1995, as in Chen and Goodman, "An empirical study of smoothing
 * techniques", 1998, section 2.7): of the longest contexts the counts, of shorter ones the numbers of different words that an
 * n-gram follows on, each less a discount D = n₁ / (n₁ + 2 n₂) of its order, which goes to the shorter context.
 *
 * p(w | h) = max(c(h w) − D, 0) / c(h) + D · N(h ·) / c(h) · p(w | h without its first word); below that of no context 1 / V.
 */
export class KneserNey {
  readonly #order: number;
  readonly #size: number;
  /** By the length of the context. */
  readonly #orders: readonly Map<string, Followers>[];
  readonly #discounts: readonly number[];

  /**
   * @param sentences ids, each sentence between two ids for its beginning and its end; the first is context alone
   * @param order words of the longest n-gram
   * @param size number of ids, V
   */
  constructor(sentences: readonly ArrayLike<number>[], order: number, size: number) {
    this.#order = order;
    this.#size = size;
    const orders = Array.from({ length: order }, () => new Map<string, Followers>());
    const seen = new Set<string>();
    const count = (length: number, context: string, word: number) => {
      const known = orders[length]?.get(context) ?? { total: 0, counts: new Map<number, number>() };
      known.total++;
      known.counts.set(word, (known.counts.get(word) ?? 0) + 1);
      orders[length]?.set(context, known);
    };
    for (const sentence of sentences)
      for (let i = 1; i < sentence.length; i++) {
        const word = sentence[i] ?? 0;
        // As far back as there are words; a shorter context counts an n-gram once for each word before it.
        for (let length = Math.min(order - 1, i); length >= 0; length--) {
          const longest = length === order - 1 || length === i;
          const context = contextOf(sentence, i, length);
          if (!longest) {
            const before = `${length + 1} ${contextOf(sentence, i, length + 1)} ${word}`;
            if (seen.has(before)) continue;
            seen.add(before);
          }
          count(length, context, word);
        }
      }
    this.#orders = orders;
    this.#discounts = orders.map((contexts) => {
      let [once, twice] = [0, 0];
      for (const { counts } of contexts.values())
        for (const n of counts.values()) {
          if (n === 1) once++;
          if (n === 2) twice++;
        }
      return once === 0 ? 0.5 : once / (once + 2 * twice);
    });
  }

  /** p of the word at a place of a sentence, from 1 on, after those before it. */
  probability(sentence: ArrayLike<number>, place: number): number {
    const word = sentence[place] ?? 0;
    let p = 1 / this.#size;
    for (let length = 0; length < this.#order && length <= place; length++) {
      const followers = this.#orders[length]?.get(contextOf(sentence, place, length));
      if (followers === undefined) break;
      const { total, counts } = followers;
      const discount = this.#discounts[length] ?? 0;
      p = Math.max((counts.get(word) ?? 0) - discount, 0) / total + ((discount * counts.size) / total) * p;
    }
    return p;
  }

  /** e to the mean of −ln p over all words of some sentences, ends included, beginnings not. */
  perplexity(sentences: readonly ArrayLike<number>[]): number {
    let [sum, count] = [0, 0];
    for (const sentence of sentences)
      for (let i = 1; i < sentence.length; i++) {
        sum -= Math.log(this.probability(sentence, i));
        count++;
      }
    return Math.exp(sum / count);
  }
}

function contextOf(sentence: ArrayLike<number>, place: number, length: number): string {
  let text = "";
  for (let i = place - length; i < place; i++) text += `${sentence[i]} `;
  return text;
}
