import { describe, expect, it } from "vitest";
import { KneserNey } from "./kneser-ney.js";
import { Random } from "./random.js";

/** 0 begins and ends a sentence. */
const sentences = [
  [0, 1, 2, 3, 0],
  [0, 1, 2, 4, 0],
  [0, 3, 1, 2, 3, 0],
  [0, 4, 4, 1, 0],
];
const size = 6;

describe("KneserNey", () => {
  it.each([1, 2, 3, 5])("gives probabilities that add up to 1 after every context, %i words", (order) => {
    const model = new KneserNey(sentences, order, size);
    for (const before of [[0], [0, 1], [0, 1, 2], [0, 5, 5], [0, 4, 4], [0, 2, 3, 1, 2, 3]]) {
      const all = Array.from({ length: size }, (_, word) =>
        model.probability([...before, word], before.length),
      );
      expect(all.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
      expect(all.every((p) => p > 0)).toBe(true);
    }
  });

  it("follows its formula", () => {
    // Bigrams by hand. Continuations: 1 after 0, 3, 4; 2 after 1; 3 after 2 and 0; 4 after 2, 0 and 4; 0 after 3, 4 and 1.
    // Of the words after no context, n₁ = 1 (2) and n₂ = 1 (3): D = 1 / 3; beginnings count as they are.
    const model = new KneserNey(sentences, 2, size);
    const after = new Map([
      ["0 1", 2],
      ["0 3", 1],
      ["0 4", 1],
      ["1 2", 3],
      ["1 0", 1],
      ["2 3", 2],
      ["2 4", 1],
      ["3 0", 2],
      ["3 1", 1],
      ["4 0", 1],
      ["4 4", 1],
      ["4 1", 1],
    ]);
    const different = [3, 3, 1, 2, 3, 0];
    const [total, lower] = [12, 1 / (1 + 2 * 1)];
    const [once, twice] = [8, 3];
    const upper = once / (once + 2 * twice);
    const unigram = (word: number) =>
      Math.max((different[word] ?? 0) - lower, 0) / total + ((lower * 5) / total) * (1 / size);
    for (let context = 0; context < 5; context++)
      for (let word = 0; word < size; word++) {
        const own = [...after].filter(([pair]) => pair.startsWith(`${context} `));
        const count = own.reduce((sum, [, n]) => sum + n, 0);
        const seen = after.get(`${context} ${word}`) ?? 0;
        const expected = Math.max(seen - upper, 0) / count + ((upper * own.length) / count) * unigram(word);
        expect(model.probability([context, word], 1)).toBeCloseTo(expected, 12);
      }
  });

  it("finds what depends on more words than one", () => {
    const random = new Random(3);
    // The third word says whether the first two are equal.
    const some = Array.from({ length: 500 }, () => {
      const [a, b] = [random.whole(1, 2), random.whole(1, 2)];
      return [0, a, b, a === b ? 3 : 4, 0];
    });
    const [two, three] = [2, 3].map((order) => new KneserNey(some, order, size).perplexity(some));
    expect(two).toBeGreaterThan(1.65);
    expect(three).toBeLessThan(1.45);
    expect(three).toBeGreaterThan(4 ** (1 / 4));
  });
});
