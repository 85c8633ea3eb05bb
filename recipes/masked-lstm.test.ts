import { Tensor } from "rondo";
import { describe, expect, it } from "vitest";
import { meanError, paddedSequences, withPadding } from "./masked-lstm.js";

const { x, y, lengths } = paddedSequences(3);

describe("paddedSequences", () => {
  it("are 100 of 362 steps at most, and zeros after their end alone", () => {
    expect(x.shape).toEqual([100, 362, 24]);
    expect(y.shape).toEqual([100, 357, 1]);
    expect(lengths[0]).toBe(362);
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(50);
    expect(new Set(lengths).size).toBeGreaterThan(50);
    for (const [i, length] of lengths.entries()) {
      const begin = i * 362 * 24;
      expect(x.data.subarray(begin, begin + length * 24).includes(0)).toBe(false);
      expect(x.data.subarray(begin + length * 24, begin + 362 * 24).every((value) => value === 0)).toBe(true);
      expect(y.data.subarray(i * 357 + length - 5, (i + 1) * 357).every((value) => value === 0)).toBe(true);
    }
  });

  it("have a moving average of the first feature for targets", () => {
    let average = 0;
    for (let step = 0; step < 20; step++) {
      average = 0.9 * average + 0.1 * (x.data[step * 24] ?? 0);
      if (step >= 5) expect(y.data[step - 5]).toBeCloseTo(average, 6);
    }
  });
});

describe("withPadding", () => {
  it("replaces the targets after the end, and no others", () => {
    const holed = withPadding(y, lengths, Number.NaN);
    const counted = lengths.reduce((sum, length) => sum + length - 5, 0);
    expect(holed.data.filter((value) => !Number.isNaN(value))).toHaveLength(counted);
    expect(withPadding(holed, lengths, 0).data).toEqual(y.data);
  });
});

describe("meanError", () => {
  const column = (...values: number[]) => new Tensor(Float32Array.from(values), [2, 3, 1], "float32");

  it("is the mean of the absolute errors of the steps that count", () => {
    const [prediction, truth] = [column(1, 2, 3, 4, 5, 6), column(1, 1, Number.NaN, 7, 5, Number.NaN)];
    // Steps are numbered with the five that are dropped before.
    expect(meanError(prediction, truth, (_, step) => step < 7)).toBe((0 + 1 + 3 + 0) / 4);
    expect(meanError(prediction, truth, (row, step) => row === 1 && step === 5)).toBe(3);
  });
});
