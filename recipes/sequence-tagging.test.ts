import { expect, it } from "vitest";
import { Random } from "./random.js";
import { sequences } from "./sequence-tagging.js";

it("tags each step by whether the sum so far exceeds 2.5", () => {
  const { x, y } = sequences(new Random(5), 200);
  expect([x.shape, y.shape]).toEqual([
    [200, 10, 1],
    [200, 10, 1],
  ]);
  let crossings = 0;
  for (let row = 0; row < 200; row++) {
    const numbers = Array.from(x.data.subarray(row * 10, row * 10 + 10));
    const tags = Array.from(y.data.subarray(row * 10, row * 10 + 10));
    const sums = numbers.map((_, step) => numbers.slice(0, step + 1).reduce((sum, value) => sum + value, 0));
    expect(tags).toEqual(sums.map((sum) => (sum > 2.5 ? 1 : 0)));
    crossings += tags.includes(1) ? 1 : 0;
  }
  expect(crossings).toBeGreaterThan(190);
});

it("goes on with fresh sequences", () => {
  const random = new Random(5);
  const [first, second] = [sequences(random, 1), sequences(random, 1)];
  expect(first.x.data).not.toEqual(second.x.data);
  expect(sequences(new Random(5), 1)).toEqual(first);
});
