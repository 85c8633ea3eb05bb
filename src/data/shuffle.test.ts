import { describe, expect, it } from "vitest";
import { permutation } from "./shuffle.js";

const order = (seed: number, epoch: number, count: number) => {
  const row = permutation(seed, epoch, count);
  return Array.from({ length: count }, (_, place) => row(place));
};

describe("permutation", () => {
  it.each([1, 2, 3, 4, 5, 31, 32, 33, 1000, 4097])("has each of %i rows once", (count) => {
    const rows = order(7, 3, count).sort((a, b) => a - b);
    expect(rows).toEqual(Array.from({ length: count }, (_, i) => i));
  });

  it("follows from seed and epoch alone", () => {
    expect(order(1, 2, 500)).toEqual(order(1, 2, 500));
    expect(order(1, 2, 500)).not.toEqual(order(1, 3, 500));
    expect(order(1, 2, 500)).not.toEqual(order(2, 2, 500));
    expect(order(2 ** 32 + 1, 2, 500)).not.toEqual(order(1, 2, 500));
  });

  it("is the same everywhere and for ever", () => {
    expect(order(42, 0, 10)).toEqual([4, 3, 1, 2, 9, 7, 5, 8, 6, 0]);
  });

  it("puts every row at every place equally often", () => {
    const [count, epochs] = [5, 4000];
    const seen = new Float64Array(count * count);
    for (let epoch = 0; epoch < epochs; epoch++)
      for (const [place, row] of order(11, epoch, count).entries()) {
        const at = place * count + row;
        seen[at] = (seen[at] ?? 0) + 1;
      }
    const expected = epochs / count;
    const chi2 = seen.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    // (count − 1)² = 16 degrees of freedom: the 0.1 % quantile of χ² is 39.3.
    expect(chi2).toBeLessThan(39.3);
  });

  it("leaves no trace of the original neighbours", () => {
    const rows = order(5, 0, 10_000);
    const neighbours = rows.filter((row, i) => i > 0 && Math.abs(row - (rows[i - 1] ?? 0)) === 1).length;
    expect(neighbours).toBeLessThan(12); // 2 are expected
  });
});
