import { describe, expect, it } from "vitest";
import type { RondoError } from "../../src/errors.js";
import * as ops from "../../src/graph/build.js";
import type { SymbolicTensor } from "../../src/graph/ir.js";
import { gradients } from "../../src/passes/autodiff.js";
import { array, computed, refusal } from "../arrays.js";
import { type Case, trace } from "./case.js";
import { cases } from "./cases.js";

// B batch, T time, D features.

type X = SymbolicTensor;
const [B, T, D] = [2, 3, 2];
const bare = ops.input("x", [B, T, D]);
const mask = ops.input("mask", [B, T], "bool");
const x = bare.withMask(mask);
const rows = ops.input("rows", [B, T]).withMask(mask);
const batch = ops.input("b", [B], "bool");
const other = ops.input("other", [B, T], "bool");
const nan = Number.NaN;
/** Row 0 ends early, row 1 has a gap; what is masked is not a number. */
const values = {
  x: array([
    [
      [1, 2],
      [3, 5],
      [nan, nan],
    ],
    [
      [7, 11],
      [nan, nan],
      [13, 17],
    ],
  ]),
  rows: array([
    [1, 2, nan],
    [3, nan, 4],
  ]),
  mask: array([
    [1, 1, 0],
    [1, 0, 1],
  ]),
  other: array([
    [0, 1, 1],
    [1, 1, 1],
  ]),
  b: array([1, 0]),
};
const value = (y: X | undefined) => computed(y, values);
const maskOf = (y: X) => (y.mask === undefined ? undefined : value(y.mask));

describe("elementwise ops", () => {
  it("keep the mask of an operand", () => {
    expect(ops.tanh(x).mask).toBe(mask);
    expect(ops.mul(x, 2).mask).toBe(mask);
    expect(ops.add(1, x).mask).toBe(mask);
    expect(ops.add(x, ops.input("bias", [D])).mask).toBe(mask);
    expect(ops.cast(x, "int32").mask).toBe(mask);
    expect(ops.where(ops.ones([B, T, 1], "bool"), x, 0).mask).toBe(mask);
    expect(ops.greater(x, 0).mask).toBe(mask);
    expect(ops.add(x, x).mask).toBe(mask);
  });

  it("combine the masks of two operands", () => {
    expect(maskOf(ops.add(x, bare.withMask(other)))).toEqual([
      [0, 1, 0],
      [1, 0, 1],
    ]);
    expect(maskOf(ops.add(x, bare.withMask(batch)))).toEqual([
      [1, 1, 0],
      [0, 0, 0],
    ]);
  });

  it("repeat the mask where the operand is repeated", () => {
    const first = ops.slice(x, [0, 0], [B, 1]);
    expect(maskOf(ops.add(first, bare))).toEqual([
      [1, 1, 1],
      [1, 1, 1],
    ]);
    const last = ops.slice(x, [0, 2], [B, 1]);
    expect(maskOf(ops.mul(bare, last))).toEqual([
      [0, 0, 0],
      [1, 1, 1],
    ]);
  });

  it("have none without operands that have one", () => {
    expect(ops.add(bare, bare).mask).toBeUndefined();
    expect(ops.withoutMask(x).mask).toBeUndefined();
  });
});

describe("rearrangements move the mask along", () => {
  it("slice, on the axes of the mask", () => {
    expect(maskOf(ops.slice(x, [0, 1]))).toEqual([
      [1, 0],
      [0, 1],
    ]);
    expect(maskOf(ops.slice(x, [1, -1]))).toEqual([[1]]);
    expect(value(ops.slice(x, [0, 0, 1], [B, 1, 1]).mask)).toEqual([[1], [1]]);
    expect(maskOf(ops.slice(x, [0, 0, 1]))).toEqual([
      [1, 1, 0],
      [1, 0, 1],
    ]);
  });

  it("reverse", () => {
    expect(maskOf(ops.reverse(x, 1))).toEqual([
      [0, 1, 1],
      [1, 0, 1],
    ]);
    expect(maskOf(ops.reverse(x, [0, 1, 2]))).toEqual([
      [1, 0, 1],
      [0, 1, 1],
    ]);
    expect(ops.reverse(x, 2).mask).toBe(mask);
  });

  it("transpose, where the masked axes stay in front", () => {
    expect(maskOf(ops.transpose(x, [1, 0, 2]))).toEqual([
      [1, 1],
      [1, 0],
      [0, 1],
    ]);
    expect(maskOf(ops.transpose(rows))).toEqual([
      [1, 1],
      [1, 0],
      [0, 1],
    ]);
  });

  it("reshape of further axes", () => {
    expect(ops.reshape(x, [B, T, 1, D]).mask).toBe(mask);
    expect(ops.reshape(rows, [B, T, 1]).mask).toBe(mask);
    expect(ops.squeeze(ops.reshape(rows, [B, T, 1])).mask).toBe(mask);
  });

  it("broadcastTo", () => {
    expect(maskOf(ops.broadcastTo(ops.slice(x, [0, 0], [B, 1]), [B, 4, D]))).toEqual([
      [1, 1, 1, 1],
      [1, 1, 1, 1],
    ]);
  });

  it("concat over time puts masks side by side; an operand without one counts everywhere", () => {
    expect(maskOf(ops.concat([x, bare], 1))).toEqual([
      [1, 1, 0, 1, 1, 1],
      [1, 0, 1, 1, 1, 1],
    ]);
    expect(maskOf(ops.concat([x, bare.withMask(batch)], 1))).toEqual([
      [1, 1, 0, 1, 1, 1],
      [1, 0, 1, 0, 0, 0],
    ]);
    expect(maskOf(ops.concat([bare, x], 0))).toEqual([
      [1, 1, 1],
      [1, 1, 1],
      [1, 1, 0],
      [1, 0, 1],
    ]);
  });

  it("concat of features combines masks", () => {
    expect(ops.concat([x, bare]).mask).toBe(mask);
    expect(maskOf(ops.concat([x, bare.withMask(other)]))).toEqual([
      [0, 1, 0],
      [1, 0, 1],
    ]);
  });

  it("pad adds masked steps, and features that change nothing", () => {
    expect(
      maskOf(
        ops.pad(x, [
          [0, 0],
          [1, 2],
        ]),
      ),
    ).toEqual([
      [0, 1, 1, 0, 0, 0],
      [0, 1, 0, 1, 0, 0],
    ]);
    expect(
      maskOf(
        ops.pad(x, [
          [0, 0],
          [0, 0],
          [1, 1],
        ]),
      ),
    ).toEqual([
      [1, 1, 0],
      [1, 0, 1],
    ]);
  });

  it("split into steps and features", () => {
    expect(ops.split(x, [1, 2], 1).map(maskOf)).toEqual([
      [[1], [1]],
      [
        [1, 0],
        [0, 1],
      ],
    ]);
    expect(ops.split(x, [1, 1]).map((y) => y.mask)).toEqual([mask, mask]);
  });

  it("stopGradient and dropout keep it", () => {
    const source = { seed: ops.constant(Int32Array.of(1, 2), [2], "int32") };
    expect(ops.stopGradient(x).mask).toBe(mask);
    expect(ops.dropout(x, 0.5, source, 1).mask).toBe(mask);
    expect(ops.dropout(x, 0.5, source, 1, [B, 1, D]).mask).toBe(mask);
  });
});

describe("look-ups and products", () => {
  const ids = ops.input("ids", [B, T], "int32").withMask(mask);
  const table = ops.input("table", [5, D]);

  it("gather has the mask of the indices", () => {
    expect(ops.gather(table, ids).mask).toBe(mask);
    expect(ops.oneHot(ids, 4).mask).toBe(mask);
  });

  it("gather of features or steps has the mask of the table", () => {
    const picks = ops.constant(Int32Array.of(2, 0), [2], "int32");
    expect(ops.gather(x, ops.constant(Int32Array.of(1), [1], "int32"), -1).mask).toBe(mask);
    expect(maskOf(ops.gather(x, picks, 1))).toEqual([
      [0, 1],
      [1, 1],
    ]);
  });

  it("matMul keeps the mask of rows", () => {
    expect(ops.matMul(x, ops.input("w", [D, 5])).mask).toBe(mask);
    expect(ops.matMul(x, ops.input("w", [B, D, 5])).mask).toBe(mask);
    expect(ops.matMul(ops.input("a", [B, 4, T]), bare.withMask(batch)).mask).toBe(batch);
    expect(maskOf(ops.matMul(ops.slice(x, [0], [1]), ops.input("w", [B, D, 5])))).toEqual([
      [1, 1, 0],
      [1, 1, 0],
    ]);
  });
});

describe("reductions leave masked steps out", () => {
  it("over the axes of the mask, which is used up", () => {
    const all: [X, unknown][] = [
      [
        ops.sum(x, 1),
        [
          [4, 7],
          [20, 28],
        ],
      ],
      [
        ops.mean(x, 1),
        [
          [2, 3.5],
          [10, 14],
        ],
      ],
      [
        ops.max(x, 1),
        [
          [3, 5],
          [13, 17],
        ],
      ],
      [
        ops.min(x, 1),
        [
          [1, 2],
          [7, 11],
        ],
      ],
      [
        ops.prod(x, 1),
        [
          [3, 10],
          [91, 187],
        ],
      ],
      [
        ops.argMax(x, 1),
        [
          [1, 1],
          [2, 2],
        ],
      ],
      [
        ops.argMax(ops.neg(x), 1),
        [
          [0, 0],
          [0, 0],
        ],
      ],
      [ops.mean(rows, 1), [1.5, 3.5]],
      [ops.mean(x, [1, 2]), [2.75, 12]],
      [
        ops.mean(x, 0),
        [
          [4, 6.5],
          [3, 5],
          [13, 17],
        ],
      ],
      [ops.sum(x, 1, true), [[[4, 7]], [[20, 28]]]],
      [ops.sum(x), 59],
      [ops.mean(x), 59 / 8],
    ];
    for (const [y, wanted] of all) {
      expect(value(y)).toEqual(wanted);
      expect(y.mask).toBeUndefined();
    }
    expect((value(ops.logSumExp(rows, 1)) as number[])[0]).toBeCloseTo(Math.log(Math.E + Math.E ** 2), 12);
  });

  it("over other axes as if there were no mask, which stays", () => {
    for (const reduce of [ops.sum, ops.mean, ops.max, ops.min, ops.prod, ops.logSumExp]) {
      expect(reduce(x, 2).mask).toBe(mask);
      expect(reduce(x, -1, true).mask).toBe(mask);
    }
    expect(value(ops.sum(x, 2))).toEqual([
      [3, 8, nan],
      [18, nan, 30],
    ]);
  });

  it("keep a mask of the batch when time is reduced", () => {
    expect(ops.sum(bare.withMask(batch), 1).mask).toBe(batch);
    expect(ops.sum(bare.withMask(batch), 0).mask).toBeUndefined();
  });

  it("of rows without any step are 0, or nothing at all", () => {
    const empty = {
      ...values,
      mask: array([
        [0, 0, 0],
        [1, 0, 1],
      ]),
    };
    const row0 = (y: X) => (computed(y, empty) as unknown[])[0];
    expect(row0(ops.mean(x, 1))).toEqual([0, 0]);
    expect(row0(ops.sum(x, 1))).toEqual([0, 0]);
    expect(row0(ops.prod(x, 1))).toEqual([1, 1]);
    expect(row0(ops.max(x, 1))).toEqual([-Infinity, -Infinity]);
    expect(row0(ops.softmax(rows))).toEqual([0, 0, 0]);
  });
});

describe("softmax", () => {
  it("over features does not see the mask, which stays", () => {
    expect(ops.softmax(x).mask).toBe(mask);
    expect(ops.logSoftmax(x).mask).toBe(mask);
  });

  it("over masked steps gives them no weight", () => {
    const weights = ops.softmax(rows);
    expect(weights.mask).toBe(mask);
    const [a, b] = [1 / (1 + Math.E), Math.E / (1 + Math.E)];
    const [[w0 = 0, w1 = 0, w2] = [], row1] = value(weights) as number[][];
    expect([w0, w1, w2]).toEqual([expect.closeTo(a, 12), expect.closeTo(b, 12), 0]);
    expect(row1?.[1]).toBe(0);
    const log = value(ops.logSoftmax(rows)) as number[][];
    expect(log[0]?.[0]).toBeCloseTo(Math.log(a), 12);
    expect(log[0]?.[2]).toBe(0);
    // Along an axis that is not the last: column by column.
    const columns = value(ops.softmax(x, 1)) as number[][][];
    const [c0, c1] = [1 / (1 + Math.E ** 2), 1 / (1 + Math.E ** 3)];
    expect(columns[0]).toEqual([
      [expect.closeTo(c0, 12), expect.closeTo(c1, 12)],
      [expect.closeTo(1 - c0, 12), expect.closeTo(1 - c1, 12)],
      [0, 0],
    ]);
  });
});

describe("what is masked never shows", () => {
  const losses: [string, (y: X) => X][] = [
    ["sum", (y) => ops.sum(y)],
    ["mean of squares", (y) => ops.mean(ops.square(y))],
    ["mean over time", (y) => ops.sum(ops.square(ops.mean(y, 1)))],
    ["max", (y) => ops.sum(ops.max(y, 1))],
    ["min", (y) => ops.sum(ops.min(y, 1))],
    ["prod", (y) => ops.sum(ops.prod(y, 1))],
    ["logSumExp", (y) => ops.sum(ops.logSumExp(y, 1))],
    ["softmax over time", (y) => ops.sum(ops.square(ops.withoutMask(ops.softmax(y, 1))))],
    ["logSoftmax over time", (y) => ops.sum(ops.square(ops.withoutMask(ops.logSoftmax(y, 1))))],
    ["the steps after the first", (y) => ops.mean(ops.square(ops.slice(y, [0, 1])))],
    ["backwards, side by side", (y) => ops.mean(ops.square(ops.concat([ops.reverse(y, 1), y], 1)))],
    [
      "a scan",
      (y) => {
        const { outputs } = ops.scan({
          sequences: [ops.transpose(y.withMask(undefined), [1, 0, 2])],
          states: [{ shape: [B, D], dtype: "float32" }],
          mask: y.mask && ops.transpose(y.mask),
          step: ([now = y], [h = y]) => {
            const next = ops.tanh(ops.add(ops.mul(h, 0.5), now));
            return { outputs: [next], states: [next] };
          },
        });
        return ops.sum(ops.square(outputs[0] ?? y));
      },
    ],
  ];
  const arithmetic = new Set(["mean of squares", "the steps after the first", "backwards, side by side"]);
  it.each(losses)("%s: neither in the value nor in the gradient", (name, loss) => {
    // A projection before the loss: its weights' gradient is a product with every step.
    const w = ops.input("w", [D, D]);
    const clean = ops.where(ops.expandDims(mask, -1), bare, 0).withMask(mask);
    const given = {
      ...values,
      w: array([
        [0.5, -0.25],
        [0.125, 1],
      ]),
    };
    const total = loss(ops.matMul(clean, w));
    expect(computed(total, given)).toSatisfy(Number.isFinite);
    const [dx, dw] = gradients(total, [bare, w]);
    expect([computed(dw, given)].flat(3)).toSatisfy((all: number[]) => all.every(Number.isFinite));
    expect([computed(dx, given)].flat(3).map(Number.isFinite)).toEqual(Array(B * T * D).fill(true));

    // Arithmetic before the reduction meets what is masked: 0 · NaN is NaN. Only a selection before it helps, as above.
    if (arithmetic.has(name)) return;
    const direct = loss(x);
    expect(computed(direct, given)).toSatisfy(Number.isFinite);
    const steps = computed(gradients(direct, [bare])[0], given) as number[][][];
    expect(steps.flat(2)).toSatisfy((all: number[]) => all.every(Number.isFinite));
    expect([steps[0]?.[2], steps[1]?.[1]]).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });
});

describe("masks that cannot be carried are refused", () => {
  const full = ops.input("all", [B, T, D], "bool");
  const refusals: [string, string, () => unknown][] = [
    ["reshape", "of masked axes", () => ops.reshape(x, [B * T, D])],
    ["reshape", "into fewer axes than the mask has", () => ops.reshape(rows, [B * T])],
    ["reshape", "that puts an axis in front", () => ops.expandDims(x, 0)],
    ["reshape", "that puts an axis between", () => ops.expandDims(x, 1)],
    ["transpose", "that moves time behind features", () => ops.transpose(x)],
    ["transpose", "of a batch mask behind time", () => ops.transpose(bare.withMask(batch), [1, 0, 2])],
    ["broadcastTo", "in front of masked axes", () => ops.broadcastTo(x, [4, B, T, D])],
    ["add", "with an operand of more axes", () => ops.add(rows, ops.input("y", [D, B, T]))],
    [
      "where",
      "of a masked condition of fewer axes",
      () => ops.where(mask.withMask(other), ops.zeros([2, B, T]), 0),
    ],
    ["matMul", "over a masked axis", () => ops.matMul(rows, ops.input("w", [T, 5]))],
    [
      "matMul",
      "over a masked axis of many products",
      () => ops.matMul(bare.withMask(full), ops.input("w", [D, 5])),
    ],
    ["matMul", "with a right operand masked over its rows", () => ops.matMul(ops.input("a", [B, 4, T]), x)],
    [
      "matMul",
      "with a masked matrix of weights",
      () => ops.matMul(bare, ops.input("w", [D, 5]).withMask(batch)),
    ],
    [
      "matMul",
      "with a masked operand of fewer axes",
      () =>
        ops.matMul(ops.input("a", [T, D]).withMask(ops.input("m", [T], "bool")), ops.input("w", [B, D, 5])),
    ],
    [
      "gather",
      "of masked indices along another axis",
      () => ops.gather(bare, ops.input("i", [2], "int32").withMask(batch), 2),
    ],
    [
      "gather",
      "of masked indices into a masked table",
      () => ops.gather(x, ops.input("i", [2], "int32").withMask(batch)),
    ],
    [
      "scan",
      "of a sequence whose mask is not given",
      () => ops.scan({ sequences: [x], states: [], step: ([now = x]) => ({ outputs: [now], states: [] }) }),
    ],
  ];
  it.each(refusals)("by %s: %s", (name, _, act) => {
    const error: RondoError = refusal(act);
    expect(error.where).toBe(name);
    expect(`${error.fix} ${error.expected}`).toMatch(/mask/);
  });
});

describe("every builder", () => {
  it("of one masked operand gives a mask that fits, none, or an error", () => {
    const outcomes = Object.entries(cases)
      .flatMap(([builder, list]) => list.map((c) => ({ builder, c })))
      .map(({ builder, c }) => masked(builder, c));
    expect(
      outcomes.filter((outcome) => outcome !== "fits" && outcome !== "none" && outcome !== "refused"),
    ).toEqual([]);
    expect(outcomes.filter((outcome) => outcome === "fits").length).toBeGreaterThan(100);
  });

  /** What a case makes of a mask over the first axis of its first operand. */
  function masked(builder: string, c: Case): string {
    const { graph } = trace("masks", c);
    const [first, ...others] = graph.inputs;
    const [size] = first?.shape ?? [];
    if (first === undefined || size === undefined) return "none";
    let results: readonly X[];
    try {
      results = [c.build(first.withMask(ops.input("m", [size], "bool")), ...others)].flat();
    } catch (error) {
      if ((error as Error).name === "RondoError") return "refused";
      throw error;
    }
    for (const y of results) {
      if (y.mask === undefined) continue;
      const prefix = y.shape.slice(0, y.mask.rank);
      if (y.mask.dtype !== "bool" || `${y.mask.shape}` !== `${prefix}`)
        return `${builder} ${c.name}: ${y.mask.shape} on ${y.shape}`;
    }
    return results.some((y) => y.mask !== undefined) ? "fits" : "none";
  }
});
