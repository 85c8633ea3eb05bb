import { describe, expect, it } from "vitest";
import { array, computed, refusal } from "../../../tests/arrays.js";
import { gradients } from "../../passes/autodiff.js";
import * as ops from "../build.js";

const source: ops.RandomSource = {
  seed: ops.constant(Int32Array.of(3, -4), [2], "int32"),
  step: ops.input("step", [], "int32"),
};
const run = { step: array(5) };

describe("random numbers", () => {
  it("are a function of seed, step and stream", () => {
    const draw = (stream: number) => ops.randomUniform([2, 3], source, stream, 0, 1);
    const first = computed(draw(1), run);
    expect(computed(draw(1), run)).toEqual(first);
    expect(computed(draw(2), run)).not.toEqual(first);
    expect(computed(draw(1), { step: array(6) })).not.toEqual(first);
  });

  it("belong to rows, however a batch is cut", () => {
    const rows = (n: number, base: number) =>
      ops.randomNormal([n, 5], { ...source, rowBase: ops.scalar(base, "int32") }, 9, 0, 1);
    const [all, first, rest] = [rows(4, 0), rows(1, 0), rows(3, 1)];
    expect(computed(ops.concat([first, rest], 0), run)).toEqual(computed(all, run));
  });

  it("have streams that differ by name", () => {
    expect(ops.streamOf("lstm_1/dropout")).toBe(ops.streamOf("lstm_1/dropout"));
    expect(new Set(["a", "b", "ab", "ba", "", "lstm"].map(ops.streamOf)).size).toBe(6);
  });
});

describe("dropout", () => {
  const x = ops.input("x", [4, 50]);

  it("scales what is kept, drops NaN too, and draws the same again for its gradient", () => {
    const y = ops.dropout(x, 0.25, source, 7);
    const [dx] = gradients(ops.sum(y), [x]);
    const values = { ...run, x: array(Array.from({ length: 4 }, () => Array(50).fill(3))) };
    const kept = [computed(y, values)].flat(2).map((v) => v === 4);
    expect(computed(ops.sum(y), values)).toBe(4 * kept.filter(Boolean).length);
    expect([computed(dx, values)].flat(2)).toEqual(kept.map((k) => (k ? 4 / 3 : 0)));
    const broken = { ...run, x: array(Array.from({ length: 4 }, () => Array(50).fill(Number.NaN))) };
    expect([computed(y, broken)].flat(2).map(Number.isNaN)).toEqual(kept);
  });

  it("draws once for axes of size 1 of its noise", () => {
    const y = ops.dropout(x, 0.5, source, 7, [4, 1]);
    const values = { ...run, x: array(Array.from({ length: 4 }, () => Array(50).fill(1))) };
    for (const row of computed(y, values) as number[][]) expect(new Set(row).size).toBe(1);
  });

  it("is nothing at rate 0", () => {
    expect(ops.dropout(x, 0, source, 7)).toBe(x);
  });

  it("refuses rates out of range and integers", () => {
    for (const rate of [-0.1, 1, Number.NaN]) {
      expect(() => ops.dropout(x, rate, source, 7)).toThrow(/dropout: received rate/);
    }
    expect(refusal(() => ops.dropout(ops.input("n", [3], "int32"), 0.5, source, 7)).where).toBe("dropout");
  });
});
