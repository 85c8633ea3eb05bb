import { describe, expect, it } from "vitest";
import * as ops from "../src/graph/build.js";
import { apply, type Op, type SymbolicTensor } from "../src/graph/ir.js";
import { vjp } from "../src/passes/autodiff.js";
import { array, computed } from "./arrays.js";
import { type GoldenCase, type GoldenTensor, goldenError, loadGolden } from "./golden/load.js";
import { activations, type Cell, recurrence } from "./ops/cells.js";
import { philox } from "./philox.js";
import { definedOps, erf, evaluate, fromArray, known } from "./reference.js";

describe("the reference", () => {
  it("defines every op that src/graph exports, and no other", () => {
    expect([...definedOps].sort()).toEqual(
      exportedOps()
        .map((op) => op.name)
        .sort(),
    );
  });

  it("refuses an op that it does not know", () => {
    const mystery = { ...ops.stopGradientOp, name: "mystery" };
    expect(() => computed(apply(mystery, [ops.scalar(1)], {}))).toThrow(/mystery/);
  });

  it("holds results against the shapes that are declared", () => {
    const x = ops.input("x", [2, 3]);
    expect(() => computed(x, { x: array([1, 2, 3]) })).toThrow(/declared as float32\[2, 3\]/);
    expect(() => computed(ops.input("b", [1], "bool"), { b: array([2]) })).toThrow(/do not fit/);
    expect(() => computed(ops.input("n", [1], "int32"), { n: array([0.5]) })).toThrow(/do not fit/);
  });
});

/** All ops: records of src/graph, alone or in tables. */
function exportedOps(): Op[] {
  const isOp = (value: unknown): value is Op =>
    typeof value === "object" && value !== null && "infer" in value && "kernel" in value;
  return Object.values(ops as Record<string, unknown>).flatMap((value) =>
    isOp(value)
      ? [value]
      : typeof value === "object" && value !== null
        ? Object.values(value).filter(isOp)
        : [],
  );
}

describe("Philox4x32-10", () => {
  // The known answers that Random123 ships for ten rounds.
  it.each([
    [[0, 0, 0, 0], [0, 0], "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      "d16cfe09 94fdcceb 5001e420 24126ea1",
    ],
  ] as const)("gives the known answer for %o", (counter, key, answer) => {
    expect(
      philox(counter, key)
        .map((word) => word.toString(16).padStart(8, "0"))
        .join(" "),
    ).toBe(answer);
  });

  it("has its counter in the order (block, row, step, op)", () => {
    const words = (counter: readonly [number, number, number, number]) =>
      philox(counter, [7, 0xffffffff]).map((word) => (word >>> 8) / 2 ** 24);
    const source = {
      seed: ops.constant(Int32Array.of(7, -1), [2], "int32"),
      step: ops.scalar(5, "int32"),
      rowBase: ops.scalar(10, "int32"),
    };
    expect(computed(ops.randomUniform([2, 6], source, -3, 0, 1))).toEqual(
      [10, 11].map((row) => [
        ...words([0, row, 5, 0xfffffffd]),
        ...words([1, row, 5, 0xfffffffd]).slice(0, 2),
      ]),
    );
  });
});

describe("distributions", () => {
  const source = { seed: ops.constant(Int32Array.of(1, 2), [2], "int32") };
  const moments = (x: SymbolicTensor) => {
    const { data } = known(evaluate([x], {})[0], "numbers");
    const mean = data.reduce((s, v) => s + v, 0) / data.length;
    const variance = data.reduce((s, v) => s + (v - mean) ** 2, 0) / data.length;
    return { mean, deviation: Math.sqrt(variance), least: Math.min(...data), most: Math.max(...data) };
  };
  // 20,000 numbers: the mean of a unit deviate is off by 0.007 on average; five times that is allowed.
  const near = 0.035;

  it("have the mean and deviation that they should have", () => {
    const uniform = moments(ops.randomUniform([200, 100], source, 1, -2, 4));
    expect(Math.abs(uniform.mean - 1)).toBeLessThan(near * 1.8);
    expect(Math.abs(uniform.deviation - 6 / Math.sqrt(12))).toBeLessThan(near);
    expect(uniform.least).toBeGreaterThanOrEqual(-2);
    expect(uniform.most).toBeLessThan(4);
    const normal = moments(ops.randomNormal([200, 100], source, 2, 3, 0.5));
    expect(Math.abs(normal.mean - 3)).toBeLessThan(near / 2);
    expect(Math.abs(normal.deviation - 0.5)).toBeLessThan(near / 2);
    expect(normal.most).toBeGreaterThan(4.5);
    const truncated = moments(ops.truncatedNormal([200, 100], source, 3, 0, 1));
    expect(Math.abs(truncated.mean)).toBeLessThan(near);
    // √(1 − 2·2φ(2)/(2Φ(2) − 1))
    expect(Math.abs(truncated.deviation - 0.8796)).toBeLessThan(near);
    expect(Math.max(-truncated.least, truncated.most)).toBeLessThanOrEqual(2);
    const dropped = moments(ops.dropoutMask([200, 100], 0.2, source, 4));
    expect(Math.abs(dropped.mean - 1)).toBeLessThan(near);
    expect(dropped.most).toBe(1 / (1 - Math.fround(0.2)));
  });
});

describe("functions", () => {
  it("has an error function that agrees with tables", () => {
    // Abramowitz & Stegun, table 7.1.
    expect(erf(0.5)).toBeCloseTo(0.5204998778, 10);
    expect(erf(-1)).toBeCloseTo(-0.8427007929, 10);
    expect(erf(2)).toBeCloseTo(0.995322265, 10);
    expect([erf(0), erf(7), erf(Number.NEGATIVE_INFINITY)]).toEqual([0, 1, -1]);
  });

  it("rounds halves to even and takes remainders with the divisor's sign", () => {
    const x = ops.input("x", [6]);
    const values = { x: array([-2.5, -1.5, -0.4, 0.5, 1.5, 2.6]) };
    expect(computed(ops.round(x), values)).toEqual([-2, -2, -0, 0, 2, 3]);
    expect(computed(ops.mod(x, 2), values)).toEqual([1.5, 0.5, 1.6, 0.5, 1.5, 2.6 % 2]);
    expect(computed(ops.mod(x, -2), values)).toEqual([-0.5, -1.5, -0.4, -1.5, -0.5, (2.6 % 2) - 2]);
  });
});

describe("orthogonal", () => {
  it.each([
    [5, 3],
    [3, 5],
    [4, 4],
    [1, 1],
    [1, 6],
  ])("gives %i × %i matrices whose shorter side is orthonormal", (rows, cols) => {
    const source = { seed: ops.constant(Int32Array.of(1, 2), [2], "int32") };
    const q = ops.randomOrthogonal(rows, cols, source, 5, 2);
    const gram = rows < cols ? ops.matMul(q, q, false, true) : ops.matMul(q, q, true, false);
    const { data } = known(evaluate([gram], {})[0], "gram");
    const side = Math.min(rows, cols);
    data.forEach((v, i) => {
      expect(v).toBeCloseTo(i % (side + 1) === 0 ? 4 : 0, 12);
    });
  });

  it("is the factor whose R has a positive diagonal", () => {
    const x = ops.constant(Float32Array.of(-3, 1, 4, 2), [2, 2], "float32");
    const q = apply(ops.orthogonalOp, [x], { rows: 2, cols: 2, gain: 1 });
    const { data: r } = known(evaluate([ops.matMul(q, x, true)], {})[0], "R");
    // The first column has length 5; det x = -10.
    [5, 1, 0, 2].forEach((v, i) => {
      expect(r[i]).toBeCloseTo(v, 12);
    });
  });
});

// B batch, T time, D input features, H units.

describe("recurrence", () => {
  const swap = (x: SymbolicTensor) =>
    ops.transpose(x, [1, 0, ...Array.from({ length: x.rank - 2 }, (_, i) => i + 2)]);
  const cellOf = ({ kind, config }: GoldenCase): Cell | undefined => {
    const name = (key: string, otherwise: ops.FusedActivation) =>
      ops.fusedActivations.find((a) => a === (config[key] ?? otherwise));
    const [activation, recurrentActivation] = [
      name("activation", "tanh"),
      name("recurrentActivation", "sigmoid"),
    ];
    if (activation === undefined || recurrentActivation === undefined) return undefined;
    const cell =
      kind === "simpleRNN"
        ? "simple"
        : kind === "lstm"
          ? "lstm"
          : config.resetAfter
            ? "gru"
            : "gruResetBefore";
    return {
      cell,
      activation,
      recurrentActivation,
      units: Number(config.units),
      bias: config.useBias !== false,
      dropout: false,
    };
  };
  const groups = ["masks", "options", "cellActivations", "keras2Activations"] as const;
  const cases = groups.flatMap((group) =>
    loadGolden(group).map((golden) => ({ group, golden, cell: cellOf(golden) })),
  );

  it.each(cases.filter((c) => c.golden.lossWeights.output !== undefined && c.cell !== undefined))(
    "computes what Keras computes, fused and step by step: $group $golden.name",
    ({ golden, cell }) => {
      const { inputs, weights, lossWeights, config } = golden;
      const values: Record<string, ReturnType<typeof array>> = {};
      const place = (
        name: string,
        value: GoldenTensor | undefined,
        dtype: "float32" | "bool" = "float32",
      ) => {
        if (value === undefined) return undefined;
        values[name] = fromArray(value.data, value.shape);
        return ops.input(name, value.shape, dtype);
      };
      const given = (name: string) => place(name, inputs[name] ?? weights[name]);
      const x = known(given("x"), "x");
      const mask = place("mask", inputs.mask, "bool");
      const direct = (y: SymbolicTensor) => (config.goBackwards ? ops.reverse(y, 0) : y);
      const operands = {
        x: direct(swap(x)),
        mask: mask && direct(swap(mask)),
        kernel: known(given("kernel"), "kernel"),
        recurrentKernel: known(given("recurrentKernel"), "recurrentKernel"),
        bias: given("bias"),
        h0: given("h0"),
        c0: given("c0"),
      };
      const { outputs, states } = recurrence(known(cell, "cell"), operands, true);
      const ys = swap(known(outputs[0], "outputs"));
      const output = config.returnSequences ? ys : ops.squeeze(ops.slice(ys, [0, -1]), [1]);
      const results: Record<string, SymbolicTensor | undefined> = { output, h: states[0], c: states[1] };
      const names = { outputs: Object.keys(golden.outputs), gradients: Object.keys(golden.gradients) };
      const wanted = names.outputs.map((name) => known(results[name], name));
      const targets: Record<string, SymbolicTensor | undefined> = { ...operands, x };
      const gradients = vjp(
        wanted.map((y, i) => {
          const name = known(names.outputs[i], "name");
          return [y, known(place(`loss ${name}`, lossWeights[name]), name)] as const;
        }),
        names.gradients.map((name) => known(targets[name], name)),
      );
      const computedValues = evaluate([...wanted, ...gradients.map((g) => known(g, "gradient"))], {
        inputs: values,
      });
      const expected = [
        ...names.outputs.map((name) => golden.outputs[name]),
        ...names.gradients.map((name) => golden.gradients[name]),
      ];
      computedValues.forEach(({ data }, i) => {
        expect(goldenError(data, known(expected[i], "golden"))).toBeLessThan(1e-6);
      });
    },
  );

  it("covers every fused activation", () => {
    const seen = new Set(
      cases.flatMap(({ cell }) => (cell ? [cell.activation, cell.recurrentActivation] : [])),
    );
    expect([...seen].sort()).toEqual(Object.keys(activations).sort());
  });
});
