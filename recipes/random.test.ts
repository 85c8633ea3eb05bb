import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "./random.js";

const many = 20_000;
const draw = (random: Random, one: (random: Random) => number) =>
  Array.from({ length: many }, () => one(random));
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
/** Largest distance of a mean of `many` numbers of deviation 1 from the true one: five standard errors. */
const far = 5 / Math.sqrt(many);

describe("Random", () => {
  it("gives the same numbers for the same seed, and others for another seed or stream", () => {
    const first = (seed: number, stream = 0) => {
      const random = new Random(seed, stream);
      return Array.from({ length: 8 }, () => random.uniform());
    };
    expect(first(7)).toEqual(first(7));
    const all = [first(7), first(8), first(7 + 2 ** 32), first(7, 1), first(8, 1)].flat();
    expect(new Set(all).size).toBe(40);
  });

  it.each([0, 1, 2 ** 31, 2 ** 40 + 3])("is uniform for seed %i", (seed) => {
    const values = draw(new Random(seed), (random) => random.uniform());
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    const counts = Array.from(
      { length: 10 },
      (_, i) => values.filter((x) => Math.floor(10 * x) === i).length,
    );
    const chiSquared = counts.reduce((sum, count) => sum + (count - many / 10) ** 2 / (many / 10), 0);
    expect(chiSquared).toBeLessThan(33.7); // one in 10,000 of nine degrees of freedom
  });

  it.each([
    ["neighbours", (seed: number) => [new Random(seed), new Random(seed)] as const, 1],
    ["streams", (seed: number) => [new Random(seed, 0), new Random(seed, 1)] as const, 0],
    ["seeds", (seed: number) => [new Random(seed), new Random(seed + 1)] as const, 0],
  ])("has %s that do not hang together", (_, two, ahead) => {
    const [a, b] = two(5);
    for (let i = 0; i < ahead; i++) b.uniform();
    const products = draw(a, (random) => (random.uniform() - 0.5) * (b.uniform() - 0.5) * 12);
    expect(Math.abs(mean(products))).toBeLessThan(far);
  });

  it("gives normal numbers of mean 0, variance 1, kurtosis 3", () => {
    const values = draw(new Random(3), (random) => random.normal());
    expect(values.every(Number.isFinite)).toBe(true);
    expect(Math.abs(mean(values))).toBeLessThan(far);
    expect(Math.abs(mean(values.map((x) => x * x)) - 1)).toBeLessThan(far * Math.SQRT2);
    expect(Math.abs(mean(values.map((x) => x ** 4)) - 3)).toBeLessThan(far * Math.sqrt(96));
  });

  it("gives whole numbers from the least to the most", () => {
    const values = new Set(draw(new Random(3), (random) => random.whole(-1, 2)));
    expect([...values].sort((a, b) => a - b)).toEqual([-1, 0, 1, 2]);
  });

  it("permutes", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 50 }), (seed, count) => {
        const order = new Random(seed).permutation(count);
        expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
      }),
    );
    const places = Array.from({ length: 3000 }, (_, seed) => new Random(seed).permutation(3).indexOf(0));
    for (const place of [0, 1, 2])
      expect(Math.abs(places.filter((found) => found === place).length - 1000)).toBeLessThan(130);
  });
});
