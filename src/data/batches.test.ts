import { describe, expect, it } from "vitest";
import { Tensor } from "../tensor.js";
import { batches } from "./batches.js";

const x = new Tensor(Float32Array.of(0, 0, 1, 10, 2, 20), [3, 2], "float32");
const y = new Tensor(Int32Array.of(0, 1, 2), [3], "int32");
const take = (n: number, options: Parameters<typeof batches>[1]) => {
  const source = batches([x, y] as const, options);
  return Array.from({ length: n }, () => {
    const next = source.next();
    if (next.done === true) throw new Error("batches ended");
    return next.value;
  });
};

describe("batches", () => {
  it("goes on in order over the end of a pass", () => {
    const [first, second] = take(2, { batchSize: 2 });
    expect(first?.[1].array()).toEqual([0, 1]);
    expect(second?.[1].array()).toEqual([2, 0]);
    expect(second?.[0].array()).toEqual([
      [2, 20],
      [0, 0],
    ]);
  });

  it("goes round more than once where a batch is larger than the data", () => {
    const [only] = take(1, { batchSize: 7 });
    expect(only?.[1].array()).toEqual([0, 1, 2, 0, 1, 2, 0]);
  });

  it("takes every sample once per pass when shuffled, and keeps inputs and targets together", () => {
    const all = take(4, { batchSize: 3, seed: 7 });
    for (const [inputs, targets] of all) {
      expect([...targets.data].sort()).toEqual([0, 1, 2]);
      for (let i = 0; i < 3; i++) expect(inputs.data[i * 2]).toBe(targets.data[i]);
    }
    expect(new Set(all.map(([, t]) => String(t.data))).size).toBeGreaterThan(1);
    expect(String(take(4, { batchSize: 3, seed: 7 }).map(([, t]) => t.data))).toBe(
      String(all.map(([, t]) => t.data)),
    );
  });

  it("ends after so many passes, with what is left", () => {
    const labels = Array.from(batches([y] as const, { batchSize: 4, passes: 2, seed: 1 }), ([t]) => [
      ...t.data,
    ]);
    expect(labels.map((l) => l.length)).toEqual([4, 2]);
    expect(labels.flat().slice(0, 3).sort()).toEqual([0, 1, 2]);
    expect(labels.flat().slice(3).sort()).toEqual([0, 1, 2]);
    expect(() => batches([x], { batchSize: 1, passes: 0 })).toThrow(/passes: 0/);
  });

  it("refuses what cannot be batched", () => {
    expect(() => batches([x, y.rows(0, 2)], { batchSize: 1 }).next()).toThrow(/3, 2 rows/);
    expect(() => batches([x], { batchSize: 0 })).toThrow(/batchSize: 0/);
    expect(() => batches([x], { batchSize: 1, seed: 0.5 })).toThrow(/seed: 0.5/);
    expect(() => batches([x], { batchsize: 1 } as never)).toThrow('Did you mean "batchSize"?');
    expect(() => batches([x], undefined as never)).toThrow(/received undefined for its options/);
    expect(() => batches(x as never, { batchSize: 1 })).toThrow(/received a Tensor, expected a list/);
    expect(() => batches(["a" as never], { batchSize: 1 })).toThrow(/batches: received the text "a"/);
    expect(() => batches([3], { batchSize: 1 })).toThrow(/0 rows/);
  });

  it("reads nested lists as tensors", () => {
    const source = batches(
      [
        [1, 2],
        [[true], [false]],
      ],
      { batchSize: 3 },
    );
    const [first, second] = source.next().value ?? [];
    expect(first?.array()).toEqual([1, 2, 1]);
    expect(second?.array()).toEqual([[true], [false], [true]]);
  });
});
