import { tensor } from "rondo";
import { describe, expect, it } from "vitest";
import { leastSquares, noisyLine } from "./regression.js";

describe("noisyLine", () => {
  it("is 268 samples to train on and 132 others, the same for the same seed", () => {
    const { train, test } = noisyLine(3);
    expect([train.x.shape, train.y.shape]).toEqual([
      [268, 1, 1],
      [268, 1],
    ]);
    expect([test.x.shape, test.y.shape]).toEqual([
      [132, 1, 1],
      [132, 1],
    ]);
    expect(noisyLine(3)).toEqual({ train, test });
    expect(noisyLine(4).train.x.data).not.toEqual(train.x.data);
    expect(test.x.data.some((x) => train.x.data.includes(x))).toBe(false);
  });

  it("has the noise that it says", () => {
    const errors = [0, 1, 2, 3].flatMap((seed) => {
      const { x, y } = noisyLine(seed).train;
      return Array.from(x.data, (value, i) => (y.data[i] ?? Number.NaN) - 3.3 * value - 2);
    });
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    // Four standard errors of 1072 numbers of deviation 0.5.
    expect(Math.abs(mean(errors))).toBeLessThan(0.061);
    expect(Math.abs(mean(errors.map((error) => error * error)) - 0.25)).toBeLessThan(0.044);
  });
});

describe("leastSquares", () => {
  it("finds a line exactly", () => {
    const { slope, intercept } = leastSquares({
      x: tensor([[[0]], [[1]], [[3]]]),
      y: tensor([[2], [5.5], [12.5]]),
    });
    expect(slope).toBeCloseTo(3.5, 12);
    expect(intercept).toBeCloseTo(2, 12);
  });

  it("has a smaller error on its samples than lines beside it", () => {
    const { train } = noisyLine(1);
    const line = leastSquares(train);
    const error = (slope: number, intercept: number) =>
      train.x.data.reduce((sum, x, i) => sum + (slope * x + intercept - (train.y.data[i] ?? 0)) ** 2, 0);
    const least = error(line.slope, line.intercept);
    for (const [a, b] of [
      [0.01, 0],
      [-0.01, 0],
      [0, 0.01],
      [0, -0.01],
    ] as const)
      expect(error(line.slope + a, line.intercept + b)).toBeGreaterThan(least);
  });
});
