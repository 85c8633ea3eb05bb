import { describe, expect, it } from "vitest";
import { RondoError } from "../../errors.js";
import { drawRoc, roc } from "./roc.js";

/** The share of pairs of a positive and a negative that the scores put in order. */
function pairsInOrder(truth: readonly number[], scores: readonly number[]): number {
  let [sum, count] = [0, 0];
  for (const [i, a] of truth.entries())
    for (const [j, b] of truth.entries()) {
      if (a !== 1 || b !== 0) continue;
      const difference = (scores[i] ?? 0) - (scores[j] ?? 0);
      sum += difference > 0 ? 1 : difference === 0 ? 0.5 : 0;
      count++;
    }
  return sum / count;
}

/** Labels, and scores of which some are equal, that a hash of their places gives. */
const hash = (i: number) => (Math.imul(i + 1, 0x9e3779b1) >>> 8) % 1000;
const truth = Array.from({ length: 200 }, (_, i) => (hash(i) < 400 ? 1 : 0));
const scores = truth.map((label, i) => Math.round((hash(3 * i + 7) / 1000 + 0.6 * label) * 20) / 32);

describe("roc", () => {
  it("has the area that counting pairs gives, ties counted half", () => {
    expect(new Set(scores).size).toBeLessThan(60);
    const area = roc(truth, scores).area;
    expect(area).toBeCloseTo(pairsInOrder(truth, scores), 12);
    expect(area).toBeGreaterThan(0.7);
    expect(
      roc(
        truth,
        scores.map((score) => -score),
      ).area,
    ).toBeCloseTo(1 - area, 12);
  });

  it("knows the shares at every threshold, also above 0.5", () => {
    const { points, half, positives, negatives } = roc([1, 1, 0, 1, 0], [0.875, 0.625, 0.625, 0.5, 0.125]);
    expect(points.map(({ falsePositives, truePositives }) => [falsePositives, truePositives])).toEqual([
      [0, 0],
      [0, 1 / 3],
      [1 / 2, 2 / 3],
      [1 / 2, 1],
      [1, 1],
    ]);
    expect(points.map(({ threshold }) => threshold)).toEqual([
      Number.POSITIVE_INFINITY,
      0.875,
      0.625,
      0.5,
      0.125,
    ]);
    expect(half).toEqual({ threshold: 0.5, falsePositives: 1 / 2, truePositives: 2 / 3 });
    expect([positives, negatives]).toEqual([3, 2]);
  });

  it("draws the curve, however many corners it has", async () => {
    const many = Array.from({ length: 5000 }, (_, i) => i);
    const { text } = await drawRoc(
      roc(
        many.map((i) => i % 2),
        many.map((i) => i / 5000),
        { positive: "bulls & bears" },
      ),
    );
    expect(text).toContain("2,500 samples of class bulls &amp; bears, 2,500 others");
    expect(text).toContain("The area below the curve is 0.5002");
    expect(text.length).toBeLessThan(60_000);
  });

  it.each([
    [[1, 0], [0.5], {}, /labels of shape \[2\] and scores of shape \[1\]/],
    [[1, 2], [0.5, 0.5], {}, /the label 2, expected 0 and 1/],
    [[1, 0], [0.5, Number.NaN], {}, /NaN among the scores/],
    [[1, 1], [0.5, 0.5], {}, /labels that are all 1, expected samples of both/],
    [[1, 0], [0.5, 0.5], { positiv: "a" }, /unknown option "positiv".* Did you mean "positive"\?/],
    [[1, 0], [0.5, 0.5], { positive: 1 }, /received 1 for positive/],
  ])("refuses what does not fit: %#", (labels, given, options, message) => {
    expect(() => roc(labels, given, options as object)).toThrow(message);
    expect(() => roc(labels, given, options as object)).toThrow(RondoError);
  });
});
