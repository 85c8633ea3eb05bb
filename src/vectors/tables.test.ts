import { describe, expect, test } from "vitest";
import { aliasTable, cutOf, keptShares, negativeWeights } from "./tables.js";

describe("aliasTable", () => {
  test.each([
    ["a single one", [1]],
    ["two", [3, 1]],
    ["what has no weight", [0, 5, 0, 1]],
    ["equal ones", [7, 7, 7]],
    ["many", Array.from({ length: 500 }, (_, i) => 1000 / (i + 1))],
  ])("gives %s the right share", (_, weights) => {
    const { probability, alias } = aliasTable(weights);
    const shares = new Float64Array(weights.length);
    for (const [cell, own] of probability.entries()) {
      shares[cell] = (shares[cell] ?? 0) + own;
      const other = alias[cell] ?? -1;
      shares[other] = (shares[other] ?? Number.NaN) + 1 - own;
    }
    const total = weights.reduce((a, b) => a + b, 0);
    weights.forEach((weight, i) => {
      expect(Math.abs((shares[i] ?? 0) / weights.length - weight / total)).toBeLessThan(1e-6);
    });
  });
});

test("common words are kept now and then, rare ones always, as by gensim", () => {
  // gensim 4.4: min(1, sample_int / (2**32 - 1)) of each word after build_vocab with sample = 0.01.
  const kept = keptShares([6000, 3000, 900, 90, 10], 0.01);
  const expected = [0.145766, 0.215908, 0.444444, 1, 1];
  expected.forEach((share, i) => {
    expect(kept[i]).toBeCloseTo(share, 6);
  });
  expect([...keptShares([6000, 1], 0)]).toEqual([1, 1]);
});

test("negatives come by counts to the power 3/4", () => {
  expect([...negativeWeights([16, 81, 1])]).toEqual([8, 27, 1]);
});

describe("cutOf", () => {
  const usual = { window: 5, negative: 5, learningRate: 0.025 };
  /** Counts as in natural texts. */
  const zipf = (words: number) => Array.from({ length: words }, (_, i) => Math.ceil(100_000 / (i + 1)));
  const cut = (words: number, options = usual, sample = 1e-3) => {
    const counts = zipf(words);
    const length = counts.reduce((a, b) => a + b, 0);
    return cutOf(counts, keptShares(counts, sample), length, options);
  };

  test("a usual text is cut for sixteen threads", () => {
    expect(cut(20_000)).toEqual({ roundWords: 512, lanes: 16 });
  });

  test("what trains common words more has shorter rounds, at last one lane", () => {
    expect(cut(20_000, { window: 10, negative: 15, learningRate: 0.05 })).toEqual({
      roundWords: 32,
      lanes: 2,
    });
    expect(cut(20, usual, 0)).toEqual({ roundWords: 512, lanes: 1 });
    expect(cut(1, usual, 0)).toEqual({ roundWords: 512, lanes: 1 });
  });
});
