import { describe, expect, it } from "vitest";
import * as ops from "../../src/graph/build.js";
import type { SymbolicTensor } from "../../src/graph/ir.js";
import { gradients, vjp } from "../../src/passes/autodiff.js";
import { array, computed, refusal } from "../arrays.js";
import { evaluate, known } from "../reference.js";
import { B, bindings, bool, type Case, float, int, T, test, trace } from "./case.js";
import { allCases } from "./cases.js";
import { expectGradients } from "./differences.js";
import { recurrenceCase, recurrences } from "./scanCases.js";

function check(title: string, c: Case): void {
  const { graph, inputs, state } = trace(title, c);
  const moved = graph.inputs.filter((x, i) => x.dtype === "float32" && c.operands[i]?.fixed !== true);
  expectGradients(Object.values(graph.outputs), moved, { inputs, state, bindings });
}

describe("gradients agree with finite differences", () => {
  const differentiable = allCases.filter(
    ([, c]) => c.differentiable && c.operands.some((o) => o.dtype === "float32"),
  );
  it.each(differentiable)("%s", check);
});

describe("the gradient of pow", () => {
  it("is 0 where the exponent is 0, whatever the base", () => {
    const bases = [0, -0, 2, -1, 1e-45, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
    const x = ops.input("x", [bases.length]);
    const exponents = ops.input("exponents", [bases.length]);
    const inputs = { x: array(bases), exponents: array(bases.map(() => 0)) };
    const [g] = gradients(ops.sum(ops.pow(x, exponents)), [x]);
    expect(computed(g, inputs)).toEqual(bases.map(() => 0));
    const [constant] = gradients(ops.sum(ops.pow(x, 0)), [x]);
    expect(computed(constant, inputs)).toEqual(bases.map(() => 0));
  });
});

const minus = (x: SymbolicTensor, y: SymbolicTensor) => ops.square(ops.sub(x, y));

/** A mask [B, T]: a gap, a row that begins late, a row without any step that counts. */
const gaps = (shape: readonly (typeof B | number)[]) => ({
  ...bool(shape),
  values: [1, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0],
});

describe("gradients of compositions agree with finite differences", () => {
  const compositions: Case[] = [
    test("softmax and cross-entropy", [float([B, 5]), float([B, 5], 0, 1)], (x, y) =>
      ops.neg(ops.mean(ops.sum(ops.mul(y, ops.log(ops.softmax(x))), -1))),
    ),
    test("log-softmax of classes", [float([B, T, 5]), int([B, T], 0, 4)], (x, y) =>
      ops.neg(ops.mean(ops.sum(ops.mul(ops.oneHot(y, 5), ops.logSoftmax(x)), -1))),
    ),
    test("binary cross-entropy from logits", [float([B, 2], -4, 4), float([B, 2], 0, 1)], (x, y) =>
      ops.mean(ops.sub(ops.softplus(x), ops.mul(x, y))),
    ),
    test("layer normalisation", [float([B, 4]), float([4]), float([4])], (x, g, b) => {
      const centred = ops.sub(x, ops.mean(x, -1, true));
      const scale = ops.rsqrt(ops.add(ops.mean(ops.square(centred), -1, true), 1e-3));
      return ops.add(ops.mul(ops.mul(centred, scale), g), b);
    }),
    test("norms and clipping", [float([4]), float([2, 3])], (a, b) => {
      const norm = ops.sqrt(ops.add(ops.sum(ops.square(a)), ops.sum(ops.square(b))));
      const factor = ops.div(1, ops.maximum(norm, 1));
      return [ops.mul(a, factor), ops.mul(b, factor)];
    }),
    test("attention under a mask", [float([B, 2]), float([B, T, 2]), gaps([B, T])], (q, keys, mask) => {
      const scores = ops.squeeze(ops.matMul(keys, ops.expandDims(q, -1)), [-1]);
      const weights = ops.softmax(scores.withMask(mask));
      return ops.sum(ops.mul(ops.expandDims(ops.withoutMask(weights), -1), keys), 1);
    }),
    test(
      "masked means over time and over all",
      [float([B, T, 2]), float([B, T, 2]), gaps([B, T])],
      (x, y, mask) => {
        const error = minus(x.withMask(mask), y);
        return [
          ops.mean(error),
          ops.mean(error, 1),
          ops.mean(error, [0, 1]),
          ops.mean(error, -1).withMask(undefined),
        ];
      },
    ),
    test("masked extrema and products", [float([B, T, 2]), gaps([B, T])], (x, mask) => {
      const masked = x.withMask(mask);
      const finite = (y: SymbolicTensor) => ops.where(ops.isFinite(y), y, 0);
      return [ops.max(masked, 1), ops.min(masked, 1), ops.logSumExp(masked, 1)]
        .map(finite)
        .concat(ops.prod(masked, 1));
    }),
    test("the steps after the first two", [float([B, T, 2]), gaps([B, T])], (x, mask) =>
      ops.mean(ops.square(ops.slice(x.withMask(mask), [0, 2]))),
    ),
    test(
      "an embedding, its sum and its product with itself",
      [float([6, 2]), int([B, T], 0, 5)],
      (table, ids) => {
        const x = ops.gather(table, ids);
        return ops.matMul(x, x, false, true);
      },
    ),
    test("a value used many times", [float([3])], (x) => {
      let y = x;
      for (let i = 0; i < 5; i++) y = ops.add(ops.mul(y, x), ops.tanh(y));
      return y;
    }),
    test(
      "an encoder whose states start a decoder with attention",
      [float([T, B, 2]), float([3, B, 2]), float([2, 2])],
      (x, y, w) => {
        const cell = ([now = x]: readonly SymbolicTensor[], [h = y]: readonly SymbolicTensor[]) =>
          ops.tanh(ops.add(now, ops.matMul(h, w)));
        const encoded = ops.scan({
          sequences: [x],
          states: [{ shape: [B, 2], dtype: "float32" }],
          step: (xs, hs) => ({ outputs: [cell(xs, hs)], states: [cell(xs, hs)] }),
        });
        const [memory = x, last = x] = [...encoded.outputs, ...encoded.states];
        const decoded = ops.scan({
          sequences: [y],
          states: [last],
          constants: [memory],
          step: (xs, hs, [m = memory]) => {
            const h = cell(xs, hs);
            const weights = ops.softmax(ops.sum(ops.mul(m, h), -1), 0);
            return { outputs: [ops.sum(ops.mul(ops.expandDims(weights, -1), m), 0)], states: [h] };
          },
        });
        return decoded.outputs;
      },
    ),
  ];
  it.each(compositions.map((c) => [c.name, c] as const))("%s", check);
});

describe("gradients of gradients agree with finite differences", () => {
  const twice =
    (f: (...x: SymbolicTensor[]) => SymbolicTensor): Case["build"] =>
    (...operands) => {
      const moved = operands.filter((x) => x.dtype === "float32");
      return gradients(ops.sum(ops.square(f(...operands))), moved).filter((g) => g !== undefined);
    };
  const state = { shape: [2], dtype: "float32" } as const;
  it.each(
    [
      test(
        "elementwise",
        [float([4])],
        twice((x) => ops.mul(ops.tanh(x), ops.exp(ops.mul(x, 0.3)))),
      ),
      test(
        "matMul and softmax",
        [float([2, 3]), float([3, 3])],
        twice((a, b) => ops.softmax(ops.matMul(a, b))),
      ),
      test(
        "a scan",
        [float([T, 2]), float([2]), float([2])],
        twice((x, s, w) => {
          const { outputs } = ops.scan({
            sequences: [x],
            states: [s],
            constants: [w],
            step: ([now = x], [h = s], [c = w]) => {
              const next = ops.tanh(ops.add(ops.mul(h, c), now));
              return { outputs: [ops.mul(next, h)], states: [next] };
            },
          });
          return known(outputs[0], "outputs");
        }),
      ),
      test(
        "a masked scan",
        [float([T, 2]), gaps([T, 2])],
        twice((x, mask) => {
          const { states } = ops.scan({
            sequences: [x],
            states: [state],
            mask,
            step: ([now = x], [h = x]) => ({ outputs: [], states: [ops.sin(ops.add(ops.mul(h, h), now))] }),
          });
          return known(states[0], "state");
        }),
      ),
    ].map((c) => [c.name, c] as const),
  )("%s", check);
});

// T time, B batch, D input features, H units, G gates.

describe("second derivatives through a fused recurrence", () => {
  it("are refused, with the way round", () => {
    const c = recurrenceCase(known(recurrences()[0], "recurrence"), true);
    const { graph } = trace(c.name, c);
    const loss = ops.sum(known(graph.outputs.y0, "outputs"));
    const [dx] = gradients(loss, graph.inputs);
    const error = refusal(() => gradients(ops.sum(known(dx, "gradient")), graph.inputs));
    expect(error.fix).toMatch(/Leave out/);
  });
});

describe("the fused recurrence has the values and gradients of its equations step by step", () => {
  it.each(recurrences().map((r) => [recurrenceCase(r, true).name, r] as const))("%s", (_, r) => {
    const [stepByStep, fused] = [false, true].map((isFused) => {
      const c = recurrenceCase(r, isFused);
      const { graph, inputs } = trace(c.name, c);
      const ys = Object.values(graph.outputs);
      const targets = graph.inputs.filter((x, i) => x.dtype === "float32" && c.operands[i]?.fixed !== true);
      // Gradients of Σ y², so that every result has a seed of its own.
      const products = vjp(
        ys.map((y) => [y, ops.mul(y, 2)] as const),
        targets,
      );
      return evaluate([...ys, ...products.map((g) => known(g, "gradient"))], { inputs, bindings });
    });
    known(stepByStep, "results").forEach((wanted, i) => {
      const { data } = known(fused?.[i], "result");
      const scale = 1 + Math.max(0, ...wanted.data.map(Math.abs));
      wanted.data.forEach((value, k) => {
        expect(Math.abs(known(data[k], "element") - value) / scale).toBeLessThan(1e-12);
      });
    });
  });
});
